"""Hindsight: the schedule that would have been best, from trajectories computed in full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fastflow.grid import Grid
from fastflow.policy import Scheme

State = tuple[int, ...]  # the last computed steps, newest first


@dataclass(frozen=True, eq=False)
class Hindsight:
    """Knows what every skip would have cost, and finds the schedules of least cost.

    The cost of a gap is how far its skipped steps, extrapolated and then corrected, move x from
    where the true velocities would have moved it: the root mean square over the trajectories of
    ``|sum dsigma (v_hat - v)|``. Costs of gaps are added. The velocities are those of the full
    trajectory (teacher forcing), so what a schedule does when it is run can differ.

    Args:
        grams: ``(S, T, T)`` mean products of velocities (`Lesson.gram`).
        grid: their time grid.
        scheme: how skipped velocities are made.
        longest: how many steps in a row are skipped at most.
    """

    grams: np.ndarray
    grid: Grid
    scheme: Scheme
    longest: int = 8
    _drifts: dict[tuple[State, int], float] = field(default_factory=dict, repr=False)

    @cached_property
    def depth(self) -> int:
        """How many computed steps a gap's cost depends on."""
        extrapolator, corrector = self.scheme
        return max(extrapolator.depth, corrector.depth - 1)

    def drift(self, known: State, landing: int) -> float:
        """Returns what skipping from ``known[0]`` to the landing costs.

        Args:
            known: computed steps, newest first.
            landing: the step that is computed next; T if none is.
        """
        key = known[: self.depth], landing
        if key not in self._drifts:
            w = self._weights(*key)
            steps = np.flatnonzero(w)
            grams = self.grams[:, steps[:, None], steps]
            square = np.einsum("i,sij,j->s", w[steps], grams, w[steps])
            self._drifts[key] = float(np.sqrt(np.maximum(square, 0).mean()))
        return self._drifts[key]

    def best(self, calls: int) -> tuple[int, ...]:
        """Returns the computed steps of the best schedule with a number of calls.

        Raises:
            ValueError: if no schedule has that many.
        """
        check_calls(calls, self.grid, self.longest)
        layers = [{(0,): (0.0, None)}]
        for _ in range(calls - 1):
            layers.append(self._next(layers[-1]))
        ends = {
            state: cost + self.drift(state, self.grid.steps)
            for state, (cost, _) in layers[-1].items()
            if state[0] + 1 + reach(self.grid, state[0], self.longest) >= self.grid.steps
        }
        state: State | None = min(ends, key=ends.__getitem__)
        found = []
        for layer in reversed(layers):
            assert state is not None
            found.append(state[0])
            state = layer[state][1]
        return tuple(reversed(found))

    def cost(self, computed: tuple[int, ...]) -> float:
        """Returns what a schedule costs."""
        total, state = 0.0, computed[:1]
        for j in computed[1:]:
            total += self.drift(state, j)
            state = self._after(state, j)
        return total + self.drift(state, self.grid.steps)

    def _next(self, layer: dict) -> dict:
        """Returns the cheapest way to every state with one call more."""
        found: dict[State, tuple[float, State | None]] = {}
        for state, (cost, _) in layer.items():
            for j in self._landings(state[0]):
                after, total = self._after(state, j), cost + self.drift(state, j)
                if after not in found or total < found[after][0]:
                    found[after] = total, state
        return found

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


def check_calls(calls: int, grid: Grid, longest: int) -> None:
    """Raises a ValueError if no schedule has that many calls with skips of ``longest`` at most."""
    fewest, k = 1, 0
    while k + 1 + reach(grid, k, longest) < grid.steps:
        k += 1 + reach(grid, k, longest)
        fewest += 1
    if not fewest <= calls <= grid.steps:
        raise ValueError(
            f"`calls` must be from {fewest} to {grid.steps} on a grid of {grid.steps} steps of "
            f"which at most {longest} in a row are skipped, got {calls}."
        )
