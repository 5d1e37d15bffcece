"""Rules for extrapolators alone."""

from __future__ import annotations

from fastflow.integration.extrapolator import Extrapolator
from fastflow.testing.rule import demand, rule


@rule
def declares_a_depth_and_a_degree_that_fit(extrapolator: Extrapolator) -> None:
    """A degree needs one velocity more; -1 declares none."""
    depth, degree = extrapolator.depth, extrapolator.degree
    demand(isinstance(depth, int) and depth >= 1, f"the depth is {depth!r}")
    demand(-1 <= degree < depth, f"the degree is {degree} at a depth of {depth}")
