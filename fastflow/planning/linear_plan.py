"""A plan: the computed steps of a trajectory, and the weights of their velocities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from fastflow.integration.coefficients import Coefficients
from fastflow.integration.grid import Grid

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class LinearPlan:
    """States which steps are computed, and how the position follows from their velocities.

    After the velocity at ``nodes[i]`` is computed, the position at ``ends[i]``, the next node or
    the end of the piece, is ``x_0 + sum_l weights[i][l] v_l``. The sum runs over the nodes up to
    i of the same piece: a jump in the velocity begins a new piece, with an x_0 of its own.

    Args:
        nodes: the computed steps, in increasing order, from 0.
        weights: one row per node, with one weight per node of its piece up to itself.

    Raises:
        ValueError: if the nodes do not begin with 0 or do not increase, or the rows do not fit.
    """

    nodes: tuple[int, ...]
    weights: Rows

    def __post_init__(self):
        object.__setattr__(self, "nodes", tuple(int(k) for k in self.nodes))
        rows = tuple(tuple(float(w) for w in row) for row in self.weights)
        object.__setattr__(self, "weights", rows)
        nodes = self.nodes
        if not nodes or nodes[0] != 0 or any(b <= a for a, b in pairwise(nodes)):
            raise ValueError(f"`nodes` must begin with 0 and increase, got {list(nodes)}.")
        lengths = [len(row) for row in rows]
        whole = [1, *(n + 1 for n in lengths)]
        if len(rows) != len(nodes) or any(n not in (1, w) for n, w in zip(lengths, whole)):
            raise ValueError(
                f"`weights` must hold a row for each of the {len(nodes)} nodes, each one weight "
                f"longer than the last or of length 1 after a jump, got lengths {lengths}."
            )
        if not np.isfinite([w for row in rows for w in row]).all():
            raise ValueError("`weights` must be finite numbers.")

    def to_dict(self) -> dict[str, Any]:
        """Returns the plan in JSON types."""
        return {"nodes": list(self.nodes), "weights": [list(row) for row in self.weights]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LinearPlan:
        """Reads what `to_dict` returned.

        Raises:
            ValueError: if it is not a plan.
        """
        try:
            nodes = tuple(int(k) for k in content["nodes"])
            rows = tuple(tuple(float(w) for w in row) for row in content["weights"])
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                "`nodes` and `weights` of a plan must be lists of numbers."
            ) from error
        return cls(nodes, rows)


@dataclass(frozen=True, eq=False)
class PlannedCoefficients(Coefficients):
    """Follows a plan's weights, on a straight line in sigma through each gap.

    Where other steps are computed than the plan's (a jump that the grid does not state, a step
    that the driver had to compute), the extrapolator and the corrector take over.

    Args:
        plan: the plan.
        grid: the time grid.
    """

    plan: LinearPlan
    grid: Grid

    def weights(
        self, computed: Sequence[int], k: int, so_far: Sequence[float]
    ) -> Sequence[float] | None:
        row = self._rows.get(tuple(computed))
        if row is None or not computed[-1] <= k < row[0]:
            return None
        end, wanted = row
        sigma = self.grid.sigma
        share = (sigma[k + 1] - sigma[k]) / (sigma[end] - sigma[k])
        return [a + share * (b - a) for a, b in zip(so_far, wanted, strict=True)]

    @cached_property
    def _rows(self) -> dict[tuple[int, ...], tuple[int, tuple[float, ...]]]:
        """The end and the weights of each gap, by the computed steps of its piece so far.

        Euler's own step has no entry: the loop takes it bit for bit.
        """
        rows, nodes, euler = {}, self.plan.nodes, np.diff(self.grid.sigma)
        for i, row in enumerate(self.plan.weights):
            known, end = nodes[i + 1 - len(row) : i + 1], end_of(nodes, i, self.grid)
            if len(row) != end - known[0] or not np.allclose(row, euler[known[0] : end]):
                rows[known] = end, row
        return rows


def end_of(nodes: Sequence[int], i: int, grid: Grid) -> int:
    """Returns where the step from node i leads: to the next node, a jump or the end T."""
    following = nodes[i + 1] if i + 1 < len(nodes) else grid.steps
    return min([following, *(k for k in grid.jumps if nodes[i] < k)])


def start_of(node: int, grid: Grid) -> int:
    """Returns the first step of a node's piece: 0, or the last jump up to it."""
    return max([0, *(k for k in grid.jumps if k <= node)])
