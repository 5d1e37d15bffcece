"""One denoising run of a pipeline: what is counted of it, skipping or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from fastflow.acceleration.seen import InputWatch
from fastflow.acceleration.stats import CallStats, Stopwatch
from fastflow.integration.feedback import Trajectory
from fastflow.integration.grid import Grid

ProbeNetwork = Callable[[], "Tensor | None"]
TakeStep = Callable[[Tensor, Tensor], Tensor]
MOST_KEPT = 16  # outputs of a step's network calls; a step that makes more is not skipped


class DenoisingRun:
    """Counts and times the network calls and the steps of a run, and computes them all.

    Attributes:
        grid: the time grid that is followed; None if none is.
        reason: why every step is computed; empty if some may be skipped.
        computed: the indices of the steps that were computed.
        taken: the number of steps taken.
        calls: the number of network calls made.
        skipped: the number of network calls answered without the network.
        end: the trajectory, once the last step was taken.
        turn: the index of the next network call within the step.
    """

    grid: Grid | None = None

    def __init__(self, reason: str = ""):
        self.reason = reason
        self.computed: list[int] = []
        self.taken = self.calls = self.skipped = self.turn = 0
        self.end: Trajectory | None = None
        self.stopwatch = Stopwatch()
        self.watch = InputWatch()

    def call(
        self,
        network: Any,
        counts: int,
        ask: Callable[[], Any],
        probe: ProbeNetwork,
        inputs: dict | None = None,
    ) -> Any:
        """Answers a network call.

        Args:
            network: the module that is called.
            counts: the number of network calls (NFE) that it counts as; 0 if it is not counted.
            ask: calls the network.
            probe: returns the network's cheap signal at its input.
            inputs: the arguments one by one, to see changes in them; None not to look.
        """
        self.turn += 1
        return self._ask(counts, ask)

    def advance(self, x: Tensor, v: Tensor, take_step: TakeStep) -> None:
        """Takes one step.

        Args:
            x: the latents ``(B, ...)``.
            v: the velocity ``(B, ...)`` that the pipeline derived from the network's outputs.
            take_step: the scheduler's step ``(x, v) -> x``.
        """
        self.computed.append(self.taken)
        take_step(x, v)
        self._next_step()

    def _next_step(self) -> None:
        self.stopwatch.lap()
        self.taken, self.turn = self.taken + 1, 0

    def _ask(self, counts: int, ask: Callable[[], Any]) -> Any:
        self.calls += counts  # also if it fails: somebody may try again
        with self.stopwatch.running():
            return ask()

    def stats(self) -> CallStats:
        """Returns the statistics of the run; waits for the device."""
        observations = self.end.feedback.observations if self.end else ()
        return CallStats(
            steps=max(self.grid.steps if self.grid else 0, self.taken),
            computed=tuple(self.computed),
            calls=self.calls,
            skipped=self.skipped,
            seconds=self.stopwatch.seconds(),
            seconds_saved=(self.taken - len(self.computed)) * self.stopwatch.usual_lap(),
            errors=tuple(o.error for o in observations if o.taken and o.arm),
            finished=self.end is not None,
        )


class FirstStep(DenoisingRun):
    """The first step of a run, until the scheduler shows where in its grid the run begins.

    Attributes:
        after: the run that it follows, if the scheduler was not told to begin a new one.
    """

    def __init__(self, after: DenoisingRun | None = None):
        super().__init__()
        self.after = after
        self.network: Any = None
        self.probe: ProbeNetwork = lambda: None
        self.answers: list[Any] = []

    def call(
        self,
        network: Any,
        counts: int,
        ask: Callable[[], Any],
        probe: ProbeNetwork,
        inputs: dict | None = None,
    ) -> Any:
        if not self.turn:
            self.network, self.probe = network, probe
        if inputs is not None:
            self.watch.is_new(self.turn, inputs)
        answer = super().call(network, counts, ask, probe)
        if len(self.answers) < MOST_KEPT:
            self.answers.append(answer)
        return answer

    def becomes(self, run: DenoisingRun) -> DenoisingRun:
        """Hands what was counted over to the run that this is the first step of."""
        run.turn, run.calls, run.stopwatch = self.turn, self.calls, self.stopwatch
        run.watch = self.watch
        return run
