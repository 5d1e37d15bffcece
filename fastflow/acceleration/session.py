"""The push driver: follows one denoising run of an existing pipeline over its time grid."""

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
    """Follows one denoising run step by step, and answers the network calls of skipped steps.

    Whether a step is computed is decided at its first network call. In a skipped step, every
    network call returns the stored output of the same call at the last computed step, and
    ``scheduler.step`` gets the extrapolated velocity in place of the one that the pipeline derives
    from those outputs. The scheduler takes every step itself.

    Args:
        grid: the time grid of the run.
        scheme: the extrapolator and the corrector.
        episode: decides which steps are computed.
        key: (run seed, number of the run): seeds the episode's random draws.
        over_rows: combines the errors ``(B,)`` of a batch's samples into one.
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
        self.wants_model: bool | None = (
            None  # whether this step is computed; None: not decided yet
        )
        self.turn = 0  # the index of the next network call within the step
        self.turns = 0  # the number of network calls of the last computed step
        self.answers: list[Any] = []  # their outputs, by turn
        self.network: Any = None  # the network called first at the last computed step
        self.shape: torch.Size | None = None  # of its velocity
        self.computed: list[int] = []
        self.calls = self.skipped = 0
        self.stopwatch = Stopwatch()

    def call(self, network: Any, counts: int, ask: Callable[[], Any], probe: ProbeNetwork) -> Any:
        """Answers a network call.

        Args:
            network: the module that is called.
            counts: the number of network calls (NFE) that it counts as; 0 if it is not counted.
            ask: calls the network.
            probe: returns the network's cheap signal at its input.
        """
        if self.wants_model is None:
            self._decide(network, probe)
        turn, self.turn = self.turn, self.turn + 1
        if not self.wants_model and turn < len(self.answers):
            self.skipped += counts
            return self.answers[turn]
        with self.stopwatch.running():
            answer = ask()
        self.calls += counts
        self.answers[turn:] = [answer]
        return answer

    def advance(self, x: Tensor, v: Tensor, take_step: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Takes one step.

        Args:
            x: the latents ``(B, ...)``.
            v: the velocity ``(B, ...)`` that the pipeline derived from the network's outputs.
            take_step: the scheduler's step ``(x, v) -> x``.
        """
        if self.wants_model is None:
            self._decide(self.network, lambda: None)
        others = bool(self.computed) and (self.turn != self.turns or v.shape != self.shape)
        if self.wants_model:
            self.computed.append(self.step.k)
            self.turns, self.shape = self.turn, v.shape
            if others:
                self.step.jump()  # guidance began or ended, or another size: nothing continues
        try:
            # a copy: a CUDA graph overwrites its output buffer at the next call
            computed = v.clone() if self.wants_model else None
            self.step = self.loop.send((x, computed, lambda x, v, dsigma: take_step(x, v)))
            if others and not self.wants_model:
                self.step.jump()
        except StopIteration as stop:
            self.end = stop.value
        self.turn, self.wants_model = 0, None

    def _decide(self, network: Any, probe: ProbeNetwork) -> None:
        if self.computed and network is not self.network:
            self.step.jump()  # another expert: its velocity does not continue the old one's
        self.wants_model = self.step.wants_model(probe)
        if self.wants_model:
            self.network, self.answers = network, []

    def stats(self) -> CallStats:
        """Returns the statistics of the run; waits for the device."""
        observations = self.end.feedback.observations if self.end else ()
        return CallStats(
            steps=self.grid.steps,
            computed=tuple(self.computed),
            calls=self.calls,
            skipped=self.skipped,
            seconds=self.stopwatch.seconds(),
            errors=tuple(o.error for o in observations if o.taken and o.arm),
            finished=self.end is not None,
        )
