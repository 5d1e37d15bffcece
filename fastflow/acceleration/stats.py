"""Counts and times what skipping did to the calls of a pipeline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

import torch


class Stopwatch:
    """Times network calls without waiting for a GPU: CUDA events are read at the end."""

    def __init__(self):
        self.laps: list[list[tuple]] = [[]]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Times the body of a ``with`` statement."""
        read = _event if torch.cuda.is_available() else perf_counter
        start = read()
        yield
        self.laps[-1].append((start, read()))

    def lap(self) -> None:
        """Ends a step: the calls timed since the last one belong to it."""
        if self.laps[-1]:
            self.laps.append([])

    def seconds(self) -> float:
        """Returns the total time of all calls in seconds; waits for the GPU."""
        return sum(self._lap_seconds())

    def usual_lap(self) -> float:
        """Returns the median time of a step's calls in seconds; waits for the GPU.

        A call that compiles, or loads weights, may take a hundred times as long as the others.
        """
        return median(self._lap_seconds() or [0.0])

    def _lap_seconds(self) -> list[float]:
        return [sum(_between(*span) for span in lap) for lap in self.laps if lap]


def _event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _between(start, end) -> float:
    if isinstance(start, float):
        return end - start
    end.synchronize()
    return start.elapsed_time(end) / 1000


@dataclass(frozen=True)
class CallStats:
    """What skipping did in one call of a pipeline, in however many windows it denoises.

    Attributes:
        steps: the number of time steps; of all windows, where there are several.
        computed: the indices of the steps at which the networks were called; the first step is 0,
            and a window's first step follows the last one of the window before.
        calls: the number of network calls made (NFE, guidance branches counted).
        skipped: the number of network calls that were answered without the network.
        seconds: the wall time of the network calls made.
        seconds_saved: the estimated time of the skipped calls: the number of skipped steps times
            the median time of a computed one, which a call that compiles does not change.
        errors: the error of the extrapolated velocity at each landing.
        finished: whether the last step was reached; the policy learns from finished runs only.
    """

    steps: int
    computed: tuple[int, ...]
    calls: int
    skipped: int
    seconds: float
    seconds_saved: float
    errors: tuple[float, ...]
    finished: bool

    def then(self, other: CallStats) -> CallStats:
        """Returns the statistics of this window and the next one."""
        return CallStats(
            self.steps + other.steps,
            self.computed + tuple(self.steps + k for k in other.computed),
            self.calls + other.calls,
            self.skipped + other.skipped,
            self.seconds + other.seconds,
            self.seconds_saved + other.seconds_saved,
            self.errors + other.errors,
            self.finished and other.finished,
        )


def largest(errors: Sequence[float]) -> float:
    """Returns the largest error; NaN if one of them is NaN."""
    return math.nan if any(map(math.isnan, errors)) else max(errors)


@dataclass
class Stats:
    """What skipping did in all calls of a pipeline since it was enabled.

    Attributes:
        per_call: one entry for each call of the pipeline that came to its end.
        notes: remarks on this pipeline, such as caches of its networks.
        reason: why nothing was skipped in the last call; empty if something was.
        trouble: why the last call computed steps that it need not have, or taught nothing; empty
            if all went as it should.
        plan: the computed steps of the plan that the last call followed; empty without one.
        learned: how many calls were learned from, and the network calls that learning took beyond
            them (audits, and the runs of `tune`), which ``calls`` does not count.
        remarks: what the policy has to say about it, such as how an error is kept.
    """

    per_call: list[CallStats] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reason: str = ""
    trouble: str = ""
    plan: tuple[int, ...] = ()
    learned: str = ""
    remarks: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """The number of network calls made."""
        return sum(call.calls for call in self.per_call)

    @property
    def skipped(self) -> int:
        """The number of network calls that were answered without the network."""
        return sum(call.skipped for call in self.per_call)

    @property
    def seconds_saved(self) -> float:
        """The estimated time of the skipped network calls."""
        return sum(call.seconds_saved for call in self.per_call)

    @property
    def last(self) -> CallStats | None:
        """The statistics of the last call; None before the first."""
        return self.per_call[-1] if self.per_call else None

    @property
    def last_errors(self) -> tuple[float, ...]:
        """The errors of the extrapolated velocities at the last run's landings."""
        return self.last.errors if self.last else ()

    @property
    def warning(self) -> str:
        """What went wrong in the last call, or why nothing was skipped so far; often empty."""
        return self.trouble or (self.reason if self.per_call and not self.skipped else "")

    def __str__(self) -> str:
        total = self.calls + self.skipped
        ratio = f", {total / self.calls:.2f} times fewer" if self.skipped else ""
        lines = [
            f"{len(self.per_call)} pipeline calls: {self.calls} of {total} network calls made"
            f"{ratio}, about {self.seconds_saved:.2f} s saved"
        ]
        if self.last and self.last.skipped:
            error = f", worst error {largest(self.last_errors):.3g}" if self.last_errors else ""
            lines.append(
                f"last call: {self.last.calls} made, {self.last.skipped} skipped{error}; "
                f"computed steps {' '.join(map(str, self.last.computed))} of {self.last.steps}"
            )
        if self.plan:
            steps = f"{len(self.plan)} of {self.last.steps}" if self.last else len(self.plan)
            lines.append(f"plan: {steps} steps, {' '.join(map(str, self.plan))}")
        if self.learned:
            lines.append(f"learned from {self.learned}")
        lines += self.remarks
        if self.warning:
            lines.append(f"warning: {self.warning}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])
