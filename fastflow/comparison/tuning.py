"""Turns a method's knob until it takes the wanted number of calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from fastflow.evaluation.method import Bench, Knob, Learned, Method
from fastflow.sampling.request import Request

NEAR = 0.25  # calls; nearer than that nothing is tried any more


@dataclass
class Search:
    """Searches one knob for several targets, and remembers what it has tried.

    The number of calls is taken to rise or to fall with the knob; where it jumps over a target,
    the nearest value that was found is given.

    Args:
        knob: what is turned.
        steps_at: returns the mean number of computed steps at a value.
        tries: how many values are tried for each target at most, besides both ends.
    """

    knob: Knob
    steps_at: Callable[[float], float]
    tries: int = 8
    tried: dict[float, float] = field(default_factory=dict)

    def find(self, target: float) -> float:
        """Returns the value whose calls come nearest to the target."""
        if self.knob.is_computed_steps:
            return target
        for end in (self.knob.low, self.knob.high):
            self._try(end)
        for _ in range(self.tries):
            between = self._between(target)
            if self._distance(self._nearest(target), target) <= NEAR or between is None:
                break
            self._try(between)
        return self._nearest(target)

    def _try(self, value: float) -> None:
        if value not in self.tried:
            self.tried[value] = self.steps_at(value)

    def _nearest(self, target: float) -> float:
        return min(self.tried, key=lambda value: self._distance(value, target))

    def _distance(self, value: float, target: float) -> float:
        return abs(self.tried[value] - target)

    def _between(self, target: float) -> float | None:
        """Returns a value between the two neighbours that the target lies between, if any."""
        values = sorted(self.tried)
        gaps = [
            (a, b)
            for a, b in pairwise(values)
            if (self.tried[a] - target) * (self.tried[b] - target) < 0
        ]
        if not gaps:
            return None
        a, b = min(gaps, key=lambda gap: gap[1] - gap[0])
        if self.knob.whole:
            return (a + b) // 2 if b - a > 1 else None
        if b <= 4 * a or a < 0:
            return (a + b) / 2
        return math.sqrt(a * b) if a > 0 else b / 8  # thresholds matter by their magnitude


def replayed(method: Method, bench: Bench) -> Callable[[float], float]:
    """Returns how many steps a method computes, on the tuning trajectories played back."""
    requests, played = bench.tuning.requests, bench.replayed()

    def steps_at(value: float) -> float:
        turned = method.at(value)
        return mean_steps(turned, played, requests, turned.learn(played, requests))

    return steps_at


def mean_steps(
    method: Method, bench: Bench, requests: Sequence[Request], learned: Learned
) -> float:
    """Returns the mean number of network calls, in units of those of one step of the full run."""
    samples = list(method.generate(bench, requests, learned))
    full = sum(sample.calls_full / sample.request.steps for sample in samples)
    return sum(sample.calls for sample in samples) / full
