"""The push driver: follows one call of somebody else's pipeline over its time grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fastflow.acceleration.stats import CallStats, Stopwatch
from fastflow.integration.episode import Episode, Scheme
from fastflow.integration.feedback import Trajectory
from fastflow.integration.grid import Grid
from fastflow.integration.loop import flow

ProbeNetwork = Callable[[], "Tensor | None"]


class Session:
    """Follows one denoising run in lock-step, and answers for skipped network calls.

    The decision about a step falls at its first network call. If the step is skipped, each of its
    network calls is answered with what that call gave at the last computed step, and
    ``scheduler.step`` is told the extrapolated velocity instead of what the pipeline made of those
    answers. The scheduler takes every step itself.

    Args:
        grid: the time grid of the run.
        scheme: the extrapolator and the corrector.
        episode: decides which steps are computed.
        key: (run seed, number of the run): seeds the episode's random draws.
        over_rows: makes one error of those of a batch's rows.
    """

    def __init__(
        self,
        grid: Grid,
        scheme: Scheme,
        episode: Episode,
        key: tuple[int, int],
        over_rows: Callable[[Tensor], Tensor],
    ):
        self.grid = grid
        nothing = torch.empty(0)  # the pipeline brings its own latents to every step
        self.loop = flow(nothing, grid, scheme, episode, key=key, over_rows=over_rows)
        self.step = next(self.loop)
        self.end: Trajectory | None = None
        self.wants_model: bool | None = None  # at this step; None before the decision
        self.turn = 0  # which network call of the step comes next
        self.turns = 0  # how many network calls the last computed step took
        self.answers: list[Any] = []  # what they gave, by turn
        self.network: Any = None  # which one was called first at the last computed step
        self.computed: list[int] = []
        self.calls = self.skipped = 0
        self.watch = Stopwatch()

    def call(self, network: Any, counts: int, ask: Callable[[], Any], probe: ProbeNetwork) -> Any:
        """Answers a network call.

        Args:
            network: the module that is called.
            counts: how many calls it counts for; 0 if it is not counted.
            ask: calls it.
            probe: gives the network's cheap signal at its input.
        """
        if self.wants_model is None:
            self._decide(network, probe)
        turn, self.turn = self.turn, self.turn + 1
        if not self.wants_model and turn < len(self.answers):
            self.skipped += counts
            return self.answers[turn]
        with self.watch.running():
            answer = ask()
        self.calls += counts
        self.answers[turn:] = [answer]
        return answer

    def advance(self, x: Tensor, v: Tensor, take_step: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Takes one step.

        Args:
            x: the latents ``(B, ...)``.
            v: the velocity that the pipeline made of the network's answers, ``(B, ...)``.
            take_step: the scheduler's step ``(x, v) -> x``.
        """
        if self.wants_model is None:
            self._decide(self.network, lambda: None)
        others = bool(self.computed) and self.turn != self.turns
        if self.wants_model:
            self.computed.append(self.step.k)
            self.turns = self.turn
            if others:
                self.step.jump()  # guidance began or ended: another velocity
        try:
            # the velocity's copy: a CUDA graph's next call writes over what it gave before
            known = v.clone() if self.wants_model else None
            self.step = self.loop.send((x, known, lambda x, v, dsigma: take_step(x, v)))
            if others and not self.wants_model:
                self.step.jump()
        except StopIteration as stop:
            self.end = stop.value
        self.turn, self.wants_model = 0, None

    def _decide(self, network: Any, probe: ProbeNetwork) -> None:
        if self.computed and network is not self.network:
            self.step.jump()  # another expert: nothing of the old one can be continued
        self.wants_model = self.step.wants_model(probe)
        if self.wants_model:
            self.network, self.answers = network, []

    def stats(self) -> CallStats:
        """Returns what was counted; waits for the device."""
        seen = self.end.feedback.observations if self.end else ()
        return CallStats(
            steps=self.grid.steps,
            computed=tuple(self.computed),
            calls=self.calls,
            skipped=self.skipped,
            seconds=self.watch.seconds(),
            errors=tuple(o.error for o in seen if o.taken and o.arm),
            finished=self.end is not None,
        )
