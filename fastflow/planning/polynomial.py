"""Polynomial plans: extrapolation and landing correction, written as weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastflow.integration.corrector import NoCorrection
from fastflow.integration.episode import Scheme
from fastflow.integration.grid import Grid
from fastflow.planning.linear_plan import LinearPlan, end_of, start_of
from fastflow.planning.optimal_schedule import gap_error


def polynomial_plan(
    nodes: Sequence[int], grid: Grid, scheme: Scheme | Sequence[Scheme]
) -> LinearPlan:
    """Returns the plan of these nodes with the weights of a polynomial scheme.

    Args:
        nodes: the computed steps, in increasing order, from 0; those that the grid forces
            included.
        grid: the time grid.
        scheme: the extrapolator and the corrector of every gap, or one pair for each node, for
            the gap after it.
    """
    schemes = [scheme] * len(nodes) if isinstance(scheme, Scheme) else list(scheme)
    euler, rows = np.diff(grid.sigma), []
    landed = np.zeros(grid.steps)  # what the gaps before the last node cost, once corrected
    for i, (node, used) in enumerate(zip(nodes, schemes, strict=True)):
        start, end = start_of(node, grid), end_of(nodes, i, grid)
        if node == start:
            landed = np.zeros(grid.steps)
        piece = [k for k in nodes[: i + 1] if k >= start]
        state = tuple(reversed(piece))
        left = landed + gap_error(grid, used._replace(corrector=NoCorrection()), state, end)
        left[start:end] += euler[start:end]
        rows.append(tuple(left[piece].tolist()))
        landed = landed + gap_error(grid, used, state, end)
    return LinearPlan(tuple(nodes), tuple(rows))
