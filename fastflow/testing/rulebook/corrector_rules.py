"""Rules for correctors alone."""

from __future__ import annotations

from fastflow.integration.corrector import Corrector
from fastflow.testing.rule import demand, rule


@rule
def declares_a_depth_that_includes_the_landing(corrector: Corrector) -> None:
    """A depth of 0 corrects nothing; else the landing's velocity and an earlier one take part."""
    depth, degree = corrector.depth, corrector.degree
    demand(isinstance(depth, int) and depth >= 0 and depth != 1, f"the depth is {depth!r}")
    demand(-1 <= degree < max(depth, 1), f"the degree is {degree} at a depth of {depth}")
