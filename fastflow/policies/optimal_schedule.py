"""Hindsight: the schedule that would have been best, from trajectories computed in full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fastflow.integration.episode import Scheme
from fastflow.integration.grid import Grid

State = tuple[int, ...]  # the last computed steps, newest first
Layer = dict[State, tuple[np.ndarray, np.ndarray]]  # cost, and the number of the state before


@dataclass(frozen=True, eq=False)
class OptimalSchedule:
    """Knows what every skip would have cost, and finds the schedules of least cost.

    The cost of a gap is how far its skipped steps, extrapolated and then corrected, move x from
    where the true velocities would have moved it: ``|sum dsigma (v_hat - v)|``, for one schedule
    for all the root mean square of it over the trajectories. Costs of gaps are added. The
    velocities are those of the full trajectory (teacher forcing), so what a schedule does when it
    is run can differ.

    Args:
        grams: ``(S, T, T)`` mean products of velocities (`Feedback.gram`).
        grid: their time grid.
        scheme: how skipped velocities are made.
        longest: how many steps in a row are skipped at most.
        each: whether every trajectory has a schedule of its own; otherwise all share one.
    """

    grams: np.ndarray
    grid: Grid
    scheme: Scheme
    longest: int = 8
    each: bool = False
    _drifts: dict[tuple[State, int], np.ndarray] = field(default_factory=dict, repr=False)

    @cached_property
    def depth(self) -> int:
        """How many computed steps a gap's cost depends on."""
        extrapolator, corrector = self.scheme
        return max(extrapolator.depth, corrector.depth - 1)

    def drift(self, known: State, landing: int) -> np.ndarray:
        """Returns what skipping from ``known[0]`` to the landing costs, one number a schedule.

        Args:
            known: computed steps, newest first.
            landing: the step that is computed next; T if none is.
        """
        key = known[: self.depth], landing
        if key not in self._drifts:
            w = self._weights(*key)
            steps = np.flatnonzero(w)
            grams = self.grams[:, steps[:, None], steps]
            square = np.maximum(np.einsum("i,sij,j->s", w[steps], grams, w[steps]), 0)
            self._drifts[key] = np.sqrt(square if self.each else square.mean(keepdims=True))
        return self._drifts[key]

    def best(self, computed_steps: int) -> list[tuple[int, ...]]:
        """Returns the computed steps of the best schedules of so many: one, or each's.

        Raises:
            ValueError: if no schedule has that many.
        """
        check_computed_steps(computed_steps, self.grid, self.longest)
        nowhere = np.zeros(len(self.grams) if self.each else 1)
        layers: list[Layer] = [{(0,): (nowhere, nowhere)}]
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
        """Returns what a schedule costs: one number, or each trajectory's."""
        total, state = 0.0, computed[:1]
        for j in computed[1:]:
            total = total + self.drift(state, j)
            state = self._after(state, j)
        return total + self.drift(state, self.grid.steps)

    def _next(self, layer: Layer) -> Layer:
        """Returns the cheapest ways to every state with one call more, and where from."""
        found: Layer = {}
        for number, (state, (cost, _)) in enumerate(layer.items()):
            for j in self._landings(state[0]):
                after, total = self._after(state, j), cost + self.drift(state, j)
                if after not in found:
                    found[after] = total, np.full(total.shape, number)
                    continue
                least, came = found[after]
                better = total < least
                if better.any():
                    found[after] = np.where(better, total, least), np.where(better, number, came)
        return found

    def _trace(self, layers: list[Layer], state: State, i: int) -> tuple[int, ...]:
        """Returns the steps on the way to a state, for schedule number i."""
        found = [state[0]]
        for before, layer in zip(layers[-2::-1], layers[:0:-1], strict=True):
            state = list(before)[int(layer[state][1][i])]
            found.append(state[0])
        return tuple(reversed(found))

    def _landings(self, k: int) -> Iterator[int]:
        """Yields the steps that may be computed next after k."""
        last = k + 1 + reach(self.grid, k, self.longest)
        yield from range(k + 1, min(last, self.grid.steps - 1) + 1)

    def _after(self, state: State, j: int) -> State:
        return (j,) if j in self.grid.jumps else (j, *state)[: self.depth]

    def _weights(self, known: State, landing: int) -> np.ndarray:
        """Returns ``(T,)``: the shift of x is the weighted sum of the velocities."""
        (extrapolator, corrector), sigma = self.scheme, self.grid.sigma
        w = np.zeros(self.grid.steps)
        nodes, used = known[: extrapolator.depth], extrapolator
        if corrector.depth and landing < self.grid.steps:
            nodes, used = (landing, *known)[: corrector.depth], corrector
        times = [sigma[n] for n in nodes]
        for i in range(known[0] + 1, landing):
            dsigma = sigma[i + 1] - sigma[i]
            w[i] -= dsigma
            for n, weight in zip(nodes, used.weights(times, sigma[i]), strict=True):
                w[n] += dsigma * weight
        return w


def reach(grid: Grid, k: int, longest: int) -> int:
    """Returns how many steps after k may be skipped, ``longest`` at most."""
    return min(longest, grid.longest_skip[k])


def check_computed_steps(computed_steps: int, grid: Grid, longest: int) -> None:
    """Raises a ValueError if no schedule of that many has skips of ``longest`` at most."""
    fewest, k = 1, 0
    while k + 1 + reach(grid, k, longest) < grid.steps:
        k += 1 + reach(grid, k, longest)
        fewest += 1
    if not fewest <= computed_steps <= grid.steps:
        raise ValueError(
            f"`computed_steps` must be from {fewest} to {grid.steps} on a grid of {grid.steps} "
            f"steps of which at most {longest} in a row are skipped, got {computed_steps}."
        )
