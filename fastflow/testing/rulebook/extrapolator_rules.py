"""Rules for extrapolators only."""

from __future__ import annotations

from fastflow.integration.extrapolator import Extrapolator
from fastflow.testing.rule import demand, rule


@rule
def declares_a_depth_and_a_degree_that_fit(extrapolator: Extrapolator) -> None:
    """A degree of n needs a depth of at least n + 1; -1 declares no degree."""
    depth, degree = extrapolator.depth, extrapolator.degree
    demand(isinstance(depth, int) and depth >= 1, f"the depth is {depth!r}")
    demand(-1 <= degree < depth, f"the degree is {degree} at a depth of {depth}")
