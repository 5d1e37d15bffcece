"""Schedules of least cost, with what uncorrected errors do to the velocities at landings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastflow.integration.grid import Grid
from fastflow.planning.node_search import FEEDBACK
from fastflow.planning.optimal_schedule import early_weight, reach


@dataclass(frozen=True, eq=False)
class CostsToGo:
    """Chooses the next computed step so that the rest of the trajectory costs least.

    Args:
        gaps: ``(T, T, T + 1)`` costs of the gap from k to j after the computed step p, by p, k, j.
        ahead: ``(N, T, T)`` least costs of finishing from the last two computed steps k and j with
            n more, by n, k, j.
        power: the power of a gap's cost that is summed.
    """

    gaps: np.ndarray
    ahead: np.ndarray
    power: float

    def next(self, p: int, k: int, left: int, scale: float = 1.0) -> int:
        """Returns the step to compute after k; T if there is none.

        Args:
            p: the computed step before k; k if there is none in its piece.
            k: the last computed step.
            left: how many steps are still to be computed.
            scale: how many times as large as on average the error of the gap from k is expected.
        """
        steps = len(self.gaps)
        if left < 1:
            return steps
        costs = scale**self.power * self.gaps[p, k, :steps] + self.ahead[left - 1][k]
        best = int(costs.argmin())
        return best if np.isfinite(costs[best]) else k + 1


@dataclass(frozen=True, eq=False)
class ScheduleSearch:
    """Finds schedules by dynamic programming over the last two computed steps.

    A gap from step k to the landing j, with the computed step p before k, costs

        early(sigma_k)^2 (|c_kj|^2 + FEEDBACK (sigma_k - sigma_j)^2 |e_pkj|^2)

    to half of a power. c is the error in x that remains after the landing's correction by
    interpolation. e is the error before it, under linear extrapolation: the velocity at j is
    computed at a position that is off by e. A slope taken from two neighbours and carried far has
    a large e, whatever is corrected afterwards.

    Args:
        gram: ``(T, T)`` mean products of velocities in units of their mean square, without NaN.
        grid: their time grid.
    """

    gram: np.ndarray
    grid: Grid

    def best(
        self, computed_steps: int, longest: int, power: float, early: float
    ) -> tuple[int, ...]:
        """Returns the computed steps of the schedule that costs least.

        Args:
            computed_steps: the number of steps that it computes.
            longest: the most steps skipped in a row.
            power: the power of a gap's cost that is summed.
            early: how many times as much an error counts at the noise end as late.
        """
        costs = self._costs(longest, power, early)
        steps, jumps = self.grid.steps, [k for k in self.grid.jumps if k < self.grid.steps]
        least = np.full((steps, steps), np.inf)  # (p, k): the last two computed steps
        least[0, 0] = 0.0  # p = k: there is none before k in this piece
        froms = []
        for _ in range(computed_steps - 1):
            least, best_before = self._onward(least, costs, longest)
            froms.append(best_before)
            for j in jumps:  # a jump forgets what was before it
                best = int(least[:, j].argmin())
                value, least[:, j] = least[best, j], np.inf
                least[j, j] = value
                froms[-1][j, j] = best * steps + froms[-1][best, j]
        ends = least + costs[:, :, steps]
        p, k = np.unravel_index(int(ends.argmin()), ends.shape)
        return self._trace(froms, int(p), int(k))

    def costs_to_go(
        self, computed_steps: int, longest: int, power: float, early: float
    ) -> CostsToGo:
        """Returns what the steps to come cost at least, from any two computed steps.

        Args:
            computed_steps: the most steps to compute.
            longest: the most steps skipped in a row.
            power: the power of a gap's cost that is summed.
            early: how many times as much an error counts at the noise end as late.
        """
        costs, steps = self._costs(longest, power, early), self.grid.steps
        jumps = [k for k in self.grid.jumps if k < steps]
        least, ahead = costs[:, :, steps].copy(), []
        for _ in range(computed_steps):
            for j in jumps:  # a jump forgets what was before it
                least[:, j] = least[j, j]
            ahead.append(least)
            least = self._backward(least, costs, longest)
        return CostsToGo(costs, np.stack(ahead), power)

    def _backward(self, least: np.ndarray, costs: np.ndarray, longest: int) -> np.ndarray:
        """Returns the least cost from each (p, k) to the end, with one more step than before."""
        steps, reached = self.grid.steps, longest + 1
        before = np.full((steps, steps), np.inf)
        for k in range(steps - 1):
            first, end = max(k - reached, 0), min(k + reached + 1, steps)
            total = costs[first : k + 1, k, k + 1 : end] + least[k, k + 1 : end]  # (p, j)
            before[first : k + 1, k] = total.min(axis=1)
        return before

    def cost(self, nodes: Sequence[int], power: float, early: float) -> float:
        """Returns the cost of a schedule; infinite if the grid does not allow it.

        Args:
            nodes: its computed steps, in increasing order.
            power: the power of a gap's cost that is summed.
            early: how many times as much an error counts at the noise end as late.
        """
        total, p = 0.0, nodes[0]
        for k, j in zip(nodes, (*nodes[1:], self.grid.steps), strict=True):
            p = k if k in self.grid.jumps else p
            at_end = j == self.grid.steps and self.grid.compute_last and k < j - 1
            if at_end or (k, j) not in self._squares:
                return math.inf
            weight = early_weight(self.grid.sigma[k], early)
            total, p = total + (weight**2 * self._squares[k, j][p]) ** (power / 2), k
        return float(total)

    def _onward(
        self, least: np.ndarray, costs: np.ndarray, longest: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the least cost of each (k, j) after one more gap, and the best p before k.

        Only p and j within the longest skip of k are looked at: the whole cube of a long grid
        takes minutes.
        """
        steps, reached = self.grid.steps, longest + 1
        after, froms = np.full((steps, steps), np.inf), np.zeros((steps, steps), dtype=int)
        for k in range(steps):
            first, end = max(k - reached, 0), min(k + reached + 1, steps)
            total = least[first : k + 1, k, None] + costs[first : k + 1, k, k + 1 : end]  # (p, j)
            after[k, k + 1 : end] = total.min(axis=0)
            froms[k, k + 1 : end] = first + total.argmin(axis=0)
        return after, froms

    def _trace(self, froms: list[np.ndarray], p: int, k: int) -> tuple[int, ...]:
        """Returns the computed steps that lead to the last two."""
        steps, computed = self.grid.steps, [k]
        for back in reversed(froms):
            if p == k:  # at a jump both steps before it were stored
                p, before = divmod(int(back[k, k]), steps)
            else:
                before = int(back[p, k])
            k, p = p, before
            computed.append(k)
        return tuple(reversed(computed))

    def _costs(self, longest: int, power: float, early: float) -> np.ndarray:
        """Returns the cost of each gap, ``(p, k, j)``; infinite where it may not be."""
        steps, sigma = self.grid.steps, self.grid.sigma
        costs = np.full((steps, steps, steps + 1), np.inf)
        for k in range(steps):
            last = k + 1 + reach(self.grid, k, longest)
            for j in range(k + 1, min(last, steps) + 1):
                if j < steps or not self.grid.compute_last or k == steps - 1:
                    squares = self._squares[k, j]
                    weight = early_weight(sigma[k], early)
                    costs[: k + 1, k, j] = (weight**2 * squares) ** (power / 2)
        return costs

    @cached_property
    def _squares(self) -> dict[tuple[int, int], np.ndarray]:
        """For each gap (k, j), its squared cost by the step p before k, ``(k + 1,)``."""
        steps, found = self.grid.steps, {}
        for k in range(steps):
            for j in range(k + 1, min(k + 1 + self.grid.longest_skip[k], steps) + 1):
                found[k, j] = self._square(k, j)
        return found

    def _square(self, k: int, j: int) -> np.ndarray:
        sigma = np.asarray(self.grid.sigma)
        gap = np.arange(k + 1, j)
        dsigma, ahead = sigma[gap + 1] - sigma[gap], sigma[gap] - sigma[k]
        reuse = np.zeros(self.grid.steps)
        reuse[gap] -= dsigma
        reuse[k] += dsigma.sum()
        moved = self.gram @ reuse
        slope = np.zeros(k + 1)
        slope[:k] = (dsigma @ ahead) / (sigma[k] - sigma[:k])
        change = self.gram[k, k] - 2 * self.gram[k, : k + 1] + self.gram.diagonal()[: k + 1]
        uncorrected = reuse @ moved + 2 * slope * (moved[k] - moved[: k + 1]) + slope**2 * change
        uncorrected = np.maximum(uncorrected, 0)
        if j == self.grid.steps:
            return uncorrected
        rise = (dsigma @ ahead) / (sigma[j] - sigma[k])
        step = self.gram[j, j] - 2 * self.gram[j, k] + self.gram[k, k]
        corrected = reuse @ moved + 2 * rise * (moved[j] - moved[k]) + rise**2 * step
        return max(corrected, 0.0) + FEEDBACK * (sigma[k] - sigma[j]) ** 2 * uncorrected
