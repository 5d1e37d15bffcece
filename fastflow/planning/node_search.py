"""Search of the computed steps whose fitted weights leave the least error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from fastflow.integration.grid import Grid

FEEDBACK = 10.0  # how much of a position's mean square error enters the velocity taken there


@dataclass(frozen=True, eq=False)
class NodeSearch:
    """Moves single nodes as long as the predicted error of the fitted scheme falls.

    With r_i the root mean square error of the position at the end of gap i, and W_N the weights of
    the last position, the cost is ``r_N^2 + beta * FEEDBACK * sum_i W_{N,i+1}^2 r_i^2``: the
    velocity at node i + 1 is taken at a position that is off by r_i.

    Args:
        gram: ``(T, T)`` mean products of velocities, in units of their mean square.
        grid: their time grid.
        ridge: the weight of the shrinkage, in units of the mean square velocity.
        beta: the weight of the errors that come back through later velocities.
    """

    gram: np.ndarray
    grid: Grid
    ridge: float
    beta: float = 1.0

    def cost(self, nodes: Sequence[int]) -> float:
        """Returns the predicted mean square error at the end, summed over the pieces."""
        bounds = [*sorted(self._products), self.grid.steps]
        return sum(
            self._cost_of_piece([k for k in nodes if start <= k < stop], start, stop)
            for start, stop in pairwise(bounds)
        )

    def _cost_of_piece(self, nodes: Sequence[int], start: int, stop: int) -> float:
        """Returns the cost of one piece; all its ridge regressions share one triangular factor."""
        known, ends = np.array(nodes), np.array([*nodes[1:], stop])
        among = self.gram[np.ix_(known, known)] + self.ridge * np.eye(len(known))
        factor = np.linalg.cholesky(among)
        ahead = self._products[start]
        solved = np.linalg.solve(factor, ahead[known][:, ends])
        explained = np.cumsum(solved**2, axis=0).diagonal()
        squares = np.maximum(self._squares[start][ends] - explained, 0)
        last = np.linalg.solve(factor.T, solved[:, -1])
        return squares[-1] + self.beta * FEEDBACK * float(last[1:] ** 2 @ squares[:-1])

    def improve(self, nodes: Sequence[int], tries: int = 1000, seed: int = 0) -> tuple[int, ...]:
        """Returns nodes of the same number with a lower cost, found from the given ones.

        Args:
            nodes: the first nodes.
            tries: how many moves of single nodes are tried.
            seed: seeds the moves.
        """
        random = np.random.default_rng(seed)
        best, least = tuple(nodes), self.cost(nodes)
        free = [i for i, k in enumerate(best) if not self._is_fixed(k)]
        for _ in range(tries if free else 0):
            other = self._moved(best, random)
            if other is not None and (cost := self.cost(other)) < least:
                best, least = other, cost
        return best

    def _moved(self, nodes: tuple[int, ...], random: np.random.Generator) -> tuple | None:
        """Returns the nodes with one of them moved; None if the move is not possible."""
        free = [i for i, k in enumerate(nodes) if not self._is_fixed(k)]
        i = free[random.integers(len(free))]
        far = random.random() < 0.3
        moved = random.integers(1, self.grid.steps) if far else nodes[i] + random.integers(-3, 4)
        others = {*nodes[:i], *nodes[i + 1 :]}
        if moved in others or not 0 < moved < self.grid.steps:
            return None
        return tuple(sorted((*others, int(moved))))

    def _is_fixed(self, k: int) -> bool:
        return self.grid.is_forced(k)

    @cached_property
    def _products(self) -> dict[int, np.ndarray]:
        """``(T, T + 1)`` for each piece's start: products of v_k and Euler's sum to a target."""
        starts = {0} | {k for k in self.grid.jumps if 0 < k < self.grid.steps}
        return {start: self._sums(start) for start in sorted(starts)}

    def _sums(self, start: int) -> np.ndarray:
        dsigma = np.diff(self.grid.sigma)
        dsigma[:start] = 0
        weighted = np.nan_to_num(self.gram) * dsigma
        return np.hstack([np.zeros((len(weighted), 1)), np.cumsum(weighted, axis=1)])

    @cached_property
    def _squares(self) -> dict[int, np.ndarray]:
        """``(T + 1,)`` for each piece's start: mean squares of Euler's sum to a target."""
        found = {}
        for start, products in self._products.items():
            dsigma = np.diff(self.grid.sigma)
            dsigma[:start] = 0
            sums = np.vstack(
                [np.zeros(products.shape[1]), np.cumsum(dsigma[:, None] * products, 0)]
            )
            found[start] = sums.diagonal()
        return found
