"""The optimal schedule of a number of computed steps, from unskipped trajectories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fastflow.integration.episode import Scheme
from fastflow.integration.grid import Grid

State = tuple[int, ...]  # the last computed steps, newest first
Layer = dict[State, tuple[np.ndarray, np.ndarray]]  # least cost, number of the previous state


@dataclass(frozen=True, eq=False)
class OptimalSchedule:
    """Computes the cost of every skip, and finds the schedules of least cost.

    The cost of a gap is the error in x that its skipped steps cause after extrapolation and
    correction: ``|sum dsigma (v_hat - v)|``, or the root mean square of this over the trajectories
    if they share one schedule; to a power, if that is not 1. The cost of a schedule is the sum
    over its gaps, minimised by dynamic programming over the last computed steps. Velocities are
    those of the unskipped trajectory (teacher forcing), so a schedule that is run may have a
    different error.

    Args:
        grams: ``(S, T, T)`` mean products of velocities (`Feedback.gram`), without NaN.
        grid: their time grid.
        scheme: the extrapolator and the corrector of skipped steps.
        longest: the largest number of steps skipped in a row.
        each: whether every trajectory has its own schedule; otherwise all share one.
        power: the power of a gap's cost that is summed; above 1 it avoids single large gaps.
        early: how many times as much an error counts at the noise end as late; errors near the
            noise change what an undecided sample becomes.
        squares: the squared costs found so far; share them among searches of the same gaps.
    """

    grams: np.ndarray
    grid: Grid
    scheme: Scheme
    longest: int = 8
    each: bool = False
    power: float = 1.0
    early: float = 1.0
    squares: dict[tuple[State, int], np.ndarray] = field(default_factory=dict, repr=False)

    @cached_property
    def depth(self) -> int:
        """The number of computed steps on which the cost of a gap depends.

        A corrected gap does not depend on the extrapolator, and if the last step is computed every
        gap has a landing.
        """
        extrapolator, corrector = self.scheme.extrapolator, self.scheme.corrector
        if corrector.depth and self.grid.compute_last:
            return max(corrector.depth - 1, 1)
        return max(extrapolator.depth, corrector.depth - 1)

    def drift(self, state: State, landing: int) -> np.ndarray:
        """Returns the cost of skipping from ``state[0]`` to the landing, one per schedule.

        Args:
            state: the last computed steps, newest first.
            landing: the step that is computed next; T if there is none.
        """
        key = state[: self.depth], landing
        if key not in self.squares:
            w = gap_error(self.grid, self.scheme, *key)
            steps = np.flatnonzero(w)
            grams = self.grams[:, steps[:, None], steps]
            square = np.maximum(np.einsum("i,sij,j->s", w[steps], grams, w[steps]), 0)
            self.squares[key] = square if self.each else square.mean(keepdims=True)
        early = early_weight(self.grid.sigma[state[0]], self.early)
        return (early**2 * self.squares[key]) ** (self.power / 2)

    def best(self, computed_steps: int) -> list[tuple[int, ...]]:
        """Returns the schedules of least cost, one per trajectory if ``each``, otherwise one.

        Args:
            computed_steps: the number of steps that a schedule computes.

        Returns:
            The computed steps of each schedule, in increasing order.

        Raises:
            ValueError: if no schedule computes that many steps.
        """
        check_computed_steps(computed_steps, self.grid, self.longest)
        zero = np.zeros(len(self.grams) if self.each else 1)
        layers: list[Layer] = [{(0,): (zero, zero)}]
        for _ in range(computed_steps - 1):
            layers.append(self._next(layers[-1]))
        ends = {
            state: cost + self.drift(state, self.grid.steps)
            for state, (cost, _) in layers[-1].items()
            if state[0] + 1 + reach(self.grid, state[0], self.longest) >= self.grid.steps
        }
        last = np.stack(list(ends.values())).argmin(axis=0)
        return [self._trace(layers, list(ends)[at], i) for i, at in enumerate(last)]

    def cost(self, computed: tuple[int, ...]) -> np.ndarray:
        """Returns the cost of a schedule, one number per trajectory if ``each``, otherwise one."""
        total, state = 0.0, computed[:1]
        for j in computed[1:]:
            total = total + self.drift(state, j)
            state = self._after(state, j)
        return total + self.drift(state, self.grid.steps)

    def _next(self, layer: Layer) -> Layer:
        """Returns the states reachable with one more call, with least cost and predecessor."""
        following: Layer = {}
        for number, (state, (cost, _)) in enumerate(layer.items()):
            for j in self._landings(state[0]):
                after, total = self._after(state, j), cost + self.drift(state, j)
                if after not in following:
                    following[after] = total, np.full(total.shape, number)
                    continue
                least, previous = following[after]
                better = total < least
                if better.any():
                    previous = np.where(better, number, previous)
                    following[after] = np.where(better, total, least), previous
        return following

    def _trace(self, layers: list[Layer], state: State, i: int) -> tuple[int, ...]:
        """Returns the computed steps that lead to a state, for schedule number i."""
        computed = [state[0]]
        for before, layer in zip(layers[-2::-1], layers[:0:-1], strict=True):
            state = list(before)[int(layer[state][1][i])]
            computed.append(state[0])
        return tuple(reversed(computed))

    def _landings(self, k: int) -> Iterator[int]:
        """Yields the steps that may be the next computed one after k."""
        last = k + 1 + reach(self.grid, k, self.longest)
        yield from range(k + 1, min(last, self.grid.steps - 1) + 1)

    def _after(self, state: State, j: int) -> State:
        return (j,) if j in self.grid.jumps else (j, *state)[: self.depth]


def early_weight(sigma: float, early: float) -> float:
    """Returns the weight of an error made at a time: ``early`` at the noise end, 1 at the data."""
    return 1 + (early - 1) * sigma**4


def gap_error(grid: Grid, scheme: Scheme, state: State, landing: int) -> np.ndarray:
    """Returns ``(T,)`` weights: their sum with the velocities is a gap's error in x.

    Args:
        grid: the time grid.
        scheme: the extrapolator and the corrector.
        state: the last computed steps, newest first; the gap begins after the first.
        landing: the step that is computed next and corrects the gap; T if there is none.
    """
    extrapolator, corrector, sigma = scheme.extrapolator, scheme.corrector, grid.sigma
    w = np.zeros(grid.steps)
    nodes, used = state[: extrapolator.depth], extrapolator
    if corrector.depth and landing < grid.steps:
        nodes, used = (landing, *state)[: corrector.depth], corrector
    times = [sigma[n] for n in nodes]
    for i in range(state[0] + 1, landing):
        dsigma = sigma[i + 1] - sigma[i]
        w[i] -= dsigma
        for n, weight in zip(nodes, used.weights(times, sigma[i]), strict=True):
            w[n] += dsigma * weight
    return w


def reach(grid: Grid, k: int, longest: int) -> int:
    """Returns how many steps after k may be skipped, at most ``longest``."""
    return min(longest, grid.longest_skip[k])


def check_computed_steps(computed_steps: int, grid: Grid, longest: int) -> None:
    """Raises a ValueError if no schedule of that many computed steps keeps to the longest skip."""
    fewest, k = 1, 0
    while k + 1 + reach(grid, k, longest) < grid.steps:
        k += 1 + reach(grid, k, longest)
        fewest += 1
    if not fewest <= computed_steps <= grid.steps:
        limit = f" if at most {longest} in a row are skipped" if longest < grid.steps else ""
        raise ValueError(
            f"`computed_steps` must be from {fewest} to {grid.steps} on a grid of {grid.steps} "
            f"steps{limit}, got {computed_steps}. Give another policy.computed_steps, or other "
            "steps."
        )
