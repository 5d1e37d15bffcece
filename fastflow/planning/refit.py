"""Refits a plan's weights to the velocities of its own live runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fastflow.integration.grid import Grid
from fastflow.planning.linear_plan import LinearPlan, end_of, start_of

SHRINK = 0.03
_REWEIGHTINGS = 4  # of reweighting


@dataclass(frozen=True, eq=False)
class LiveProducts:
    """Mean products of the velocities of a live run and of its reference run.

    Args:
        live: ``(N, N)`` of the live velocities at the plan's nodes.
        cross: ``(N, T)`` of a live velocity and one of the reference run.
        reference: ``(T, T)`` of the reference run.
    """

    live: np.ndarray
    cross: np.ndarray
    reference: np.ndarray

    @classmethod
    def of(
        cls, nodes: Sequence[int], live: Mapping[int, Tensor], reference: Mapping[int, Tensor]
    ) -> LiveProducts:
        """Takes the products of kept velocities (`Feedback.velocities`)."""
        a = torch.stack([live[k].double() for k in nodes])
        b = torch.stack([reference[k].double() for k in sorted(reference)])
        n = a.shape[1]
        return cls((a @ a.T / n).numpy(), (a @ b.T / n).numpy(), (b @ b.T / n).numpy())


def refit(plan: LinearPlan, grid: Grid, runs: Sequence[LiveProducts]) -> LinearPlan:
    """Returns the plan with weights that would have led its live runs nearest to the references.

    Every row is a least-squares fit over the runs, shrunk towards the row at hand. Runs that ended
    up elsewhere than their reference (an undecided sample that fell the other way) count little:
    a run counts as ``1 / (r^2 + 0.3 median r^2)``, reweighted a few times.

    Args:
        plan: the plan that was run.
        grid: the time grid.
        runs: the products of its runs.
    """
    rows = []
    for i, row in enumerate(plan.weights):
        start, end = start_of(plan.nodes[i], grid), end_of(plan.nodes, i, grid)
        first = i + 1 - len(row)
        rows.append(_row(np.array(row), slice(first, i + 1), start, end, grid, runs))
    return LinearPlan(plan.nodes, tuple(rows))


def _row(
    row: np.ndarray,
    nodes: slice,
    start: int,
    end: int,
    grid: Grid,
    runs: Sequence[LiveProducts],
) -> tuple[float, ...]:
    """Returns one refitted row; Euler's own step stays as it is."""
    if len(row) == end - start:
        return tuple(row.tolist())
    euler = np.diff(grid.sigma)[start:end]
    live = np.stack([run.live[nodes, nodes] for run in runs])
    ahead = np.stack([run.cross[nodes, start:end] @ euler for run in runs])
    square = np.array([euler @ run.reference[start:end, start:end] @ euler for run in runs])
    change = np.zeros(len(row))
    for _ in range(_REWEIGHTINGS):
        tried = row + change
        error = square - 2 * ahead @ tried + np.einsum("i,mij,j->m", tried, live, tried)
        share = 1 / (np.maximum(error, 0) + 0.3 * np.median(np.maximum(error, 0)) + 1e-20)
        share /= share.sum()
        among = np.einsum("m,mij->ij", share, live)
        among = among + SHRINK * np.diag(among.diagonal())
        change = np.linalg.solve(among, share @ (ahead - live @ row))
    return tuple((row + change).tolist())
