"""Rules for correctors only."""

from __future__ import annotations

from fastflow.integration.corrector import Corrector
from fastflow.testing.rule import demand, rule


@rule
def declares_a_depth_that_includes_the_landing(corrector: Corrector) -> None:
    """The depth is 0 (no correction), or at least 2: the landing's velocity and an earlier one."""
    depth, degree = corrector.depth, corrector.degree
    demand(isinstance(depth, int) and depth >= 0 and depth != 1, f"the depth is {depth!r}")
    demand(-1 <= degree < max(depth, 1), f"the degree is {degree} at a depth of {depth}")
