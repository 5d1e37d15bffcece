"""Tunes a method's knob to a target number of computed steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from fastflow.evaluation.method import Bench, Knob, Learned, Method
from fastflow.sampling.request import Request

CLOSE_ENOUGH = 0.25  # computed steps; a row as close to its target has reached it


@dataclass
class Search:
    """Tunes one knob for several targets by bisection, and keeps the values it has tried.

    The number of computed steps is assumed to be monotonic in the knob; where it jumps over a
    target, the tried value that comes closest is returned.

    Args:
        knob: the parameter to tune.
        steps_at: returns the mean number of computed steps at a value.
        tries: the largest number of values to try for a target, in addition to both ends.
        tried: the mean number of computed steps at each value tried.
    """

    knob: Knob
    steps_at: Callable[[float], float]
    tries: int = 8
    tried: dict[float, float] = field(default_factory=dict)

    def find(self, target: float) -> float:
        """Returns the value whose number of computed steps is closest to the target."""
        if self.knob.is_computed_steps:
            return target
        for end in (self.knob.low, self.knob.high):
            self._try(end)
        for _ in range(self.tries):
            between = self._between(target)
            if self._distance(self._nearest(target), target) <= CLOSE_ENOUGH or between is None:
                break
            self._try(between)
        return self._nearest(target)

    def beyond(
        self, value: float, steps: float, target: float, margin: float = 2 * CLOSE_ENOUGH
    ) -> float | None:
        """Returns a value on the other side of a target that a value missed; None if none is left.

        Args:
            value: the value that `find` returned.
            steps: the mean number of computed steps that it took on the measured samples, which
                may differ from that on the samples tuned on.
            target: the number of computed steps.
            margin: how many steps beyond the target to look for.
        """
        side = 1 if steps < target else -1  # more steps are wanted, or fewer
        if self.knob.is_computed_steps:
            return value + side * math.ceil(abs(target - steps) + margin - CLOSE_ENOUGH)
        wanted = target - steps + self.tried[value]
        self.find(wanted + side * margin)
        past = [v for v in self.tried if side * (self.tried[v] - wanted) >= margin / 2]
        return min(past, key=lambda v: abs(self.tried[v] - wanted), default=None)

    def _try(self, value: float) -> None:
        if value not in self.tried:
            self.tried[value] = self.steps_at(value)

    def _nearest(self, target: float) -> float:
        return min(self.tried, key=lambda value: self._distance(value, target))

    def _distance(self, value: float, target: float) -> float:
        return abs(self.tried[value] - target)

    def _between(self, target: float) -> float | None:
        """Returns a value between the two tried values that bracket the target, if any do."""
        brackets = [
            (a, b)
            for a, b in pairwise(sorted(self.tried))
            if (self.tried[a] - target) * (self.tried[b] - target) < 0
        ]
        if not brackets:
            return None
        a, b = min(brackets, key=lambda bracket: bracket[1] - bracket[0])
        if self.knob.whole:
            return (a + b) // 2 if b - a > 1 else None
        if b <= 4 * a or a < 0:
            return (a + b) / 2
        return math.sqrt(a * b) if a > 0 else b / 8  # thresholds differ in magnitude


def share_beyond(first: float, second: float, target: float) -> float | None:
    """Returns the weight of the second number with which the mean of both is the target.

    None if the target is not between the two.
    """
    if (first - target) * (second - target) > 0 or first == second:
        return None
    return (target - first) / (second - first)


def replayed(method: Method, bench: Bench) -> Callable[[float], float]:
    """Returns a function from a knob's value to the mean computed steps in replayed runs."""
    requests, replay = bench.tuning.requests, bench.replayed()

    def steps_at(value: float) -> float:
        tuned = method.at(value)
        return mean_steps(tuned, replay, requests, tuned.learn(replay, requests))

    return steps_at


def mean_steps(
    method: Method, bench: Bench, requests: Sequence[Request], learned: Learned
) -> float:
    """Returns the mean number of computed steps: network calls over those of one step."""
    samples = list(method.generate(bench, requests, learned))
    branches = sum(sample.calls_full / sample.request.steps for sample in samples)
    return sum(sample.calls for sample in samples) / branches
