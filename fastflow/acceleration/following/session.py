"""The push driver: follows one denoising run of an existing pipeline over its time grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastflow.acceleration.following.denoising_run import (
    MOST_KEPT,
    DenoisingRun,
    FirstStep,
    ProbeNetwork,
    TakeStep,
)
from fastflow.acceleration.seen import NOTHING, SigmaPlace
from fastflow.integration.episode import Episode, Scheme
from fastflow.integration.grid import Grid
from fastflow.integration.loop import flow

MOST_ODD = 2  # skipped steps of one run with other velocities: of more, they depend on the latents


class Session(DenoisingRun):
    """Follows one denoising run step by step, and answers the network calls of skipped steps.

    Whether a step is computed is decided at its first network call. In a skipped step, every
    network call returns the stored output of the same call at the last computed step, and
    ``scheduler.step`` gets the extrapolated velocity in place of the one that the pipeline derives
    from those outputs. The scheduler takes every step itself.

    A step whose network calls differ from those of the step before begins a new piece of the
    velocity. It is computed; where the difference shows only in a later call of a step that is
    being skipped, the step gets the pipeline's own velocity, and the next is computed. So it is
    where the pipeline makes another velocity of the stored outputs than at the last skipped step,
    because its guidance changed.

    Attributes:
        late_jumps: the steps whose first network call did not show yet that they differ.
        sigma: the sigmas from where the run began, if they go on beyond the grid.
        place: where the scheduler stood when the run began; None if it is not known.
        writes: whether the scheduler writes into the velocities that it is given.
        is_corrected: whether the scheduler's steps are Euler's, between which x may be corrected.

    Args:
        grid: the time grid of the run.
        scheme: the extrapolator and the corrector.
        episode: decides which steps are computed.
        key: (run seed, number of the run): seeds the episode's random draws.
        over_rows: combines the errors ``(B,)`` of a batch's samples into one.
        sign: -1 if the pipeline hands negated velocities to a scheduler that subtracts them.
    """

    grid: Grid

    def __init__(
        self,
        grid: Grid,
        scheme: Scheme,
        episode: Episode,
        key: tuple[int, int],
        over_rows: Callable[[Tensor], Tensor],
        sign: int = 1,
    ):
        super().__init__()
        self.grid, self.sign = grid, sign
        self.late_jumps: set[int] = set()
        self.sigma: Sequence[float] = grid.sigma
        self.place: SigmaPlace | None = None
        self.writes = self.is_corrected = False
        # the pipeline brings its own latents to every step
        self.loop = flow(NOTHING, grid, scheme, episode, key=key, over_rows=over_rows)
        self.step = next(self.loop)
        self.wants_model: bool | None = None  # whether this step is computed; None: undecided
        self.is_changed = False  # whether the network calls of this step differ in kind
        self.shows_at_once = False  # whether the first of them did
        self.turns = 0  # the number of network calls of the last computed step
        self.answers: list[Any] = []  # their outputs, by turn
        self.again: list[Callable[[], Any]] = []  # make the calls that were answered in this step
        self.network: Any = None  # the network called first at the last computed step
        self.last = NOTHING  # its velocity
        self.handed: Tensor | None = None  # the same as the pipeline handed it over
        self.made = NOTHING  # another velocity that the pipeline made of its outputs
        self.odd: set[int] = set()  # the skipped steps at which it did
        self.repeats: bool | None = None  # whether it else makes the same one again

    def begun(self, first: FirstStep) -> Session:
        """Takes over the network calls of the first step, and returns the session."""
        first.becomes(self)
        self._decide(first.network, first.probe)
        self.answers = first.answers
        return self

    def give_up(self, reason: str) -> None:
        """Computes every step from here on."""
        self.reason = self.reason or reason

    @property
    def is_second(self) -> bool:
        """Whether this is the second computed step of a run whose first step was Euler's."""
        is_second = self.is_corrected and len(self.computed) == 1
        return is_second and bool(self.wants_model) and not self._is_over

    @property
    def is_whole(self) -> bool:
        """Whether the run was followed to the end of the scheduler's sigmas."""
        return self.end is not None and self.grid.steps >= len(self.sigma) - 1

    def call(
        self,
        network: Any,
        counts: int,
        ask: Callable[[], Any],
        probe: ProbeNetwork,
        inputs: dict | None = None,
    ) -> Any:
        is_new = inputs is not None and self.watch.is_new(self.turn, inputs)
        if self.wants_model is None and self.place is not None and not self._is_over:
            self.give_up(self.place.why_not(self.taken))
        if self._is_over:
            return super().call(network, counts, ask, probe)
        if self.wants_model is None:
            self.is_changed = self.shows_at_once = is_new
            self._decide(network, probe)
        turn, self.turn = self.turn, self.turn + 1
        if not self.wants_model and turn < len(self.answers) and (turn == 0 or not is_new):
            self.skipped += counts
            self.again.append(lambda: self._ask_after_all(counts, ask))
            return self.answers[turn]
        self.is_changed |= is_new
        answer = self._ask(counts, ask)
        if self.wants_model and turn < MOST_KEPT:
            self.answers[turn:] = [answer]
        return answer

    def advance(self, x: Tensor, v: Tensor, take_step: TakeStep) -> None:
        if self._is_over:
            super().advance(x, v, take_step)
            return
        k = self.step.k
        if self.wants_model is None:  # v was computed, but by no call that was seen
            self.give_up(
                f"step {k} called no network through the pipeline's own parts: their calls "
                "cannot be skipped"
            )
            self.wants_model = True
            self.step.jump()
        own, v = v, v if self.sign == 1 else -v
        others = bool(self.computed) and (
            self.is_changed or self.turn != self.turns or self._makes_another(v, own)
        )
        computed = self._computed(v, own, others)
        if others:
            self.late_jumps |= set() if self.shows_at_once else {k}
            self.step.jump()  # guidance began or ended, or another size: nothing continues
        try:
            self.step = self.loop.send((x, computed, self._taking(take_step, own, computed)))
            if others and self.computed[-1] != k:
                self.step.jump()
        except StopIteration as stop:
            self.end = stop.value
        self._next_step()
        self.wants_model, self.is_changed, self.shows_at_once = None, False, False
        self.again.clear()

    @property
    def _is_over(self) -> bool:
        return bool(self.reason) or self.end is not None

    def _computed(self, v: Tensor, own: Tensor, others: bool) -> Tensor | None:
        """Returns the velocity if it is to be used, and None if it is to be extrapolated."""
        if self.wants_model:
            self.computed.append(self.step.k)
            self.turns = self.turn
            # a copy: a CUDA graph overwrites its output buffer at the next call
            self.last, self.handed = v.clone(), own
            self.made = NOTHING
            return self.last
        return self._late(v) if others else None

    def _late(self, v: Tensor) -> Tensor:
        """Returns the velocity of a step whose calls turned out to differ while it was skipped.

        It is computed after all if it is the plain output of the step's only call. Otherwise the
        pipeline has mixed stored and new outputs: of all that is known, its result is nearest.
        """
        place = _place(v, self.answers[0]) if self.turn == len(self.again) == 1 else None
        if place is None:
            return v.clone()
        fresh = self.again[0]()
        self.computed.append(self.step.k)
        self.answers = [fresh]
        self.turns, self.last, self.handed = 1, place(fresh).clone(), place(fresh)
        return self.last

    def _makes_another(self, v: Tensor, own: Tensor) -> bool:
        """Returns whether the pipeline makes another velocity of the last step's outputs.

        That shows only in a skipped step, and only of a pipeline whose velocity is made of them
        alone, as other skipped steps show. A velocity that is not the network's output itself,
        as with guidance, is compared on the device, which this waits for.
        """
        if v.shape != self.last.shape:
            return True
        if self.wants_model or self.repeats is False:
            return False
        is_same = (own is self.handed and not self.writes) or torch.equal(v, self.last)
        if self.repeats is None:
            self._learn_repeats(v, is_same)
        return bool(self.repeats) and not is_same

    def _learn_repeats(self, v: Tensor, is_same: bool) -> None:
        if is_same or torch.equal(v, self.made):
            self.repeats = True
            self.late_jumps |= self.odd
        elif len(self.odd) == MOST_ODD:
            self.repeats = False
        else:
            self.odd.add(self.step.k)
            self.made = v.clone()

    def _ask_after_all(self, counts: int, ask: Callable[[], Any]) -> Any:
        self.skipped -= counts
        return self._ask(counts, ask)

    def _taking(
        self, take_step: TakeStep, own: Tensor, computed: Tensor | None
    ) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Returns how to take a step; a computed velocity is handed over as the pipeline's own."""

        def take(x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
            if v is computed:
                return take_step(x, own)
            v = v.clone() if self.writes else v
            return take_step(x, v if self.sign == 1 else -v)

        return take

    def _decide(self, network: Any, probe: ProbeNetwork) -> None:
        if self.computed and (self.is_changed or network is not self.network):
            self.is_changed = self.shows_at_once = True
            self.step.jump()  # another expert: its velocity does not continue the old one's
        self.wants_model = self.step.wants_model(probe)
        if self.wants_model:
            self.network, self.answers = network, []


def _place(v: Tensor, answer: Any) -> Callable[[Any], Tensor] | None:
    """Returns what finds a velocity in a network's output; None if it is not in it as it is."""
    if answer is v:
        return lambda output: output
    if isinstance(answer, (list, tuple)) and answer and answer[0] is v:
        return lambda output: output[0]
    if getattr(answer, "sample", None) is v:
        return lambda output: output.sample
    return None
