"""The pull driver: many trajectories at once, their model calls batched across time steps."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from fastflow.integration.corrector import Corrector
from fastflow.integration.episode import Episode, Scheme
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.feedback import Feedback, Trajectory
from fastflow.integration.loop import Advance, Answer, Step, flow
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.sampling.model import FlowModel
from fastflow.sampling.request import Problem, Request
from fastflow.sampling.sample import Sample, Seconds


@dataclass(eq=False)
class ActiveSample:
    """One sample under way: its loop, where the loop stands, and what it has cost."""

    problem: Problem
    episode: Episode
    loop: Generator[Step, Answer, Trajectory]
    step: Step
    advance: Advance
    end: Trajectory | None = None
    seconds: Seconds = Seconds()
    calls: int = 0
    share: int = 0  # network calls since the clock was last read

    def send(self, x: Tensor, v: Tensor | None) -> None:
        """Answers the step it stands at and goes on to the next, or to the end."""
        try:
            self.step = self.loop.send((x, v, self.advance))
        except StopIteration as stop:
            self.end = stop.value

    def skip_ahead(self, model: FlowModel) -> None:
        """Goes on to the next step that wants the model, or to the end."""
        while self.end is None and not self.step.wants_model(lambda: self.probe(model)):
            self.send(self.step.x, None)

    def probe(self, model: FlowModel) -> Tensor | None:
        """Takes the model's cheap look at the step it stands at."""
        return model.probe(self.step.x, self.time(), [self.problem.conditioning])

    def time(self) -> Tensor:
        """``(1,)`` the step's time, as the model is told it."""
        k = self.step.k
        return self.problem.grid.model_times[k : k + 1]


@dataclass
class Sampler:
    """Generates samples, skipping steps as its policy decides, each sample for itself.

    Samples under way share batched model calls whatever step each is at; a finished one makes
    room for the next request. A batch gives what its samples would give alone, up to rounding.

    Args:
        model: the loaded model.
        policy: decides which steps are computed.
        extrapolator: predicts the velocities of skipped steps.
        corrector: mends the position at landings.
        memory: what the policy has learned; one made by `empty_memory` if None.
        seed: seeds the policy's random draws, together with each sample's index.
        max_batch: how many samples are under way at once at most; bounds memory.
    """

    model: FlowModel
    policy: Policy
    extrapolator: Extrapolator
    corrector: Corrector
    memory: Memory | None = None
    seed: int = 0
    max_batch: int = 8
    _mark: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self):
        if self.max_batch < 1:
            raise ValueError(f"`max_batch` must be 1 or more, got {self.max_batch}.")

    def empty_memory(self, steps: int) -> Memory:
        """Returns a memory that has learned nothing, keyed by model, grid and components."""
        memory = self.policy.empty(self.model.grid(steps))
        if memory.key is not None:
            memory.key |= {"model": self.model.key, "extrapolator": repr(self.extrapolator)}
        return memory

    def run(self, requests: Iterable[Request]) -> Iterator[Sample]:
        """Generates all requests, learning after every batch; yields samples as they finish."""
        for batch in self.batches(list(requests)):
            finished = []
            for sample in self.generate(batch):
                finished.append(sample)
                yield sample
            self.learn(sample.feedback for sample in in_order(finished))

    def batches(
        self, requests: Sequence[Request], at_most: int | None = None
    ) -> Iterator[Sequence[Request]]:
        """Yields the requests in batches that share one state of memory.

        `learn` from one batch before the next is asked for.

        Args:
            requests: all of them, of one number of steps.
            at_most: how many at once where nothing is learned; all of them if None.
        """
        start = 0
        while start < len(requests):
            size = self.samples_until_update(requests[start].steps) or at_most or len(requests)
            yield requests[start : start + size]
            start += size

    def samples_until_update(self, steps: int) -> int | None:
        """Says how many samples may run before `learn` is due; None if nothing is learned."""
        if self.memory is None:
            self.memory = self.empty_memory(steps)
        return self.policy.samples_until_update(self.memory)

    def learn(self, feedbacks: Iterable[Feedback]) -> None:
        """Takes what finished samples taught into memory, in the order given."""
        if self.memory is None or self.memory.frozen:
            return
        for feedback in feedbacks:
            self.policy.learn(self.memory, feedback)

    @torch.no_grad()
    def generate(self, requests: Iterable[Request]) -> Iterator[Sample]:
        """Generates requests with the memory as it is; yields samples as they finish."""
        waiting, flights = deque(requests), []
        self._mark = time.perf_counter()
        while waiting or flights:
            while waiting and len(flights) < self.max_batch:
                flights.append(self._begin(waiting.popleft(), flights))
            for flight in flights:
                flight.skip_ahead(self.model)
            self._call([f for f in flights if f.end is None])
            before, flights = flights, [f for f in flights if f.end is None]
            for flight in before:
                if flight.end is not None:
                    yield self._finish(flight, flight.end, before)

    def _begin(self, request: Request, others: list[ActiveSample]) -> ActiveSample:
        self._clock(others)
        problem = self.model.prepare(request)
        if self.memory is None:
            self.memory = self.empty_memory(request.steps)
        episode = self.policy.begin(problem.grid, self.memory)
        key = self.seed, request.index
        loop = flow(
            problem.x,
            problem.grid,
            Scheme(self.extrapolator, self.corrector),
            episode,
            key=key,
        )
        flight = ActiveSample(problem, episode, loop, next(loop), self.model.advance)
        flight.seconds = Seconds(encode=self._elapsed(problem.x))
        return flight

    def _call(self, flights: list[ActiveSample]) -> None:
        """Calls the model once per group of samples whose latents can be stacked."""
        groups: dict[tuple, list[ActiveSample]] = {}
        for flight in flights:
            x = flight.step.x
            groups.setdefault((x.shape, x.dtype), []).append(flight)
        for group in groups.values():
            conditioning = [f.problem.conditioning for f in group]
            if len(group) == 1:
                x, t = group[0].step.x, group[0].time()
            else:
                x = torch.cat([f.step.x for f in group])
                t = torch.cat([f.time() for f in group])
            rows = self.model.velocity(x, t, conditioning).split(1)
            for flight, v in zip(group, rows, strict=True):
                made = self.model.calls_of(flight.problem, [flight.step.k])
                flight.calls += made
                flight.share += made
                # a row of a batch is a view that would keep the whole batch alive
                flight.send(flight.step.x, v if len(group) == 1 else v.clone())

    def _finish(self, flight: ActiveSample, end: Trajectory, others: list[ActiveSample]) -> Sample:
        self._clock(others)
        failure = "" if torch.isfinite(end.x).all() else "the latents are not finite (NaN or inf)"
        output = None if failure else self.model.decode(end.x, flight.problem)
        return Sample(
            request=flight.problem.request,
            output=output,
            x=end.x,
            computed=end.computed,
            calls=flight.calls,
            feedback=Feedback() if failure else end.feedback,
            propensities=dict(flight.episode.propensities),
            seconds=replace(flight.seconds, decode=self._elapsed(end.x)),
            failure=failure,
            calls_full=self.model.calls_of(flight.problem, range(flight.problem.grid.steps)),
        )

    def _clock(self, flights: Sequence[ActiveSample]) -> None:
        """Shares the denoising time since the last reading among the network calls made in it."""
        device = flights[0].problem.x if flights else None
        elapsed = self._elapsed(device)
        calls = sum(f.share for f in flights)
        for f in flights:
            part = elapsed * f.share / calls if calls else 0.0
            f.seconds, f.share = replace(f.seconds, denoise=f.seconds.denoise + part), 0

    def _elapsed(self, x: Tensor | None) -> float:
        """Reads the clock; a GPU's queue is awaited, only here where samples come and go."""
        if x is not None and x.is_cuda:
            torch.cuda.synchronize(x.device)
        last, self._mark = self._mark, time.perf_counter()
        return self._mark - last


def in_order(samples: Iterable[Sample]) -> list[Sample]:
    """Returns the samples in the order of their indices."""
    return sorted(samples, key=lambda sample: sample.request.index)
