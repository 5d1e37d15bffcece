"""The pull driver: many trajectories at a time, with model calls batched across time steps."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from tqdm import tqdm

from fastflow.integration.corrector import Corrector
from fastflow.integration.episode import Episode, Scheme
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.feedback import Feedback, Trajectory
from fastflow.integration.loop import Advance, Answer, Step, flow
from fastflow.policies.learning import Learning
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.policies.trials import FollowEach, Trial, TrialResult
from fastflow.sampling.executor import Worker
from fastflow.sampling.model import FlowModel, LatentsOnly
from fastflow.sampling.request import Problem, Request
from fastflow.sampling.sample import Sample, Seconds

ALONE = Worker()


@dataclass(eq=False)
class ActiveSample:
    """Holds one unfinished sample: its loop, its current step, and its cost so far."""

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
        """Answers the current step and advances to the next one, or to the end."""
        try:
            self.step = self.loop.send((x, v, self.advance))
        except StopIteration as stop:
            self.end = stop.value

    def skip_ahead(self, model: FlowModel) -> None:
        """Advances to the next step that needs the model, or to the end."""
        while self.end is None and not self.step.wants_model(lambda: self.probe(model)):
            self.send(self.step.x, None)

    def probe(self, model: FlowModel) -> Tensor | None:
        """Returns the model's cheap signal at the current step."""
        return model.probe(self.step.x, self.time(), [self.problem.conditioning])

    def time(self) -> Tensor:
        """Returns the model time of the current step, ``(1,)``."""
        k = self.step.k
        return self.problem.grid.model_times[k : k + 1]


@dataclass
class Sampler:
    """Generates samples, skipping steps of each sample as the policy decides.

    Unfinished samples share batched model calls even if they are at different steps, and a
    finished one makes room for the next request. Samples of a batch equal those generated one at
    a time, up to rounding.

    Args:
        model: the loaded model.
        policy: decides which steps are computed.
        extrapolator: predicts the velocities of skipped steps.
        corrector: corrects x at landings.
        memory: what the policy has learned; an empty one from `empty_memory` if None.
        seed: seeds the policy's random draws, together with each sample's index.
        max_batch: the largest number of samples at a time; bounds the use of memory.

    Raises:
        ValueError: if `max_batch` is below 1.
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
        return self.learning.empty(self.model.grid(steps))

    @property
    def learning(self) -> Learning:
        """The policy with its scheme, for this model."""
        scheme = Scheme(self.extrapolator, self.corrector)
        return Learning(self.policy, scheme, self.model.key)

    def run(self, requests: Iterable[Request]) -> Iterator[Sample]:
        """Generates all requests and learns after every batch; yields samples as they finish."""
        for batch in self.batches(list(requests)):
            finished = []
            for sample in self.generate(batch):
                finished.append(sample)
                yield sample
            self.learn(sample.feedback for sample in in_order(finished))
            self.tune(batch, finished)

    def batches(
        self, requests: Sequence[Request], at_most: int | None = None
    ) -> Iterator[Sequence[Request]]:
        """Yields the requests in batches that use the same state of the memory.

        Call `learn` on the samples of a batch before taking the next one.

        Args:
            requests: all requests, with the same number of steps.
            at_most: the size of a batch if nothing is learned; all requests if None.
        """
        start = 0
        while start < len(requests):
            size = self.samples_until_update(requests[start].steps) or at_most or len(requests)
            yield requests[start : start + size]
            start += size

    def samples_until_update(self, steps: int) -> int | None:
        """Returns how many samples may run before `learn` is due; None if nothing is learned."""
        if self.memory is None:
            self.memory = self.empty_memory(steps)
        return self.learning.samples_until_update(self.memory)

    def learn(self, feedbacks: Iterable[Feedback]) -> None:
        """Updates the memory with the feedback of finished samples, in this order."""
        if self.memory is not None:
            for feedback in feedbacks:
                self.learning.learn(self.memory, feedback)

    def tune(
        self, requests: Sequence[Request], samples: Iterable[Sample], worker: Worker = ALONE
    ) -> None:
        """Runs the trials that the policy wants after a batch, if it wants any.

        Every process of a run takes part, with the same samples.

        Args:
            requests: the requests of the batch.
            samples: the samples made of them; reference runs that are missing are made again.
            worker: this process.
        """
        grid, memory = self.model.grid(requests[0].steps), self.memory
        if memory is None or self.policy.trials(memory, grid, [Feedback()]) is None:
            return
        known = {s.request.index: s for s in samples if s.feedback.velocities}
        rest = [request for request in requests if request.index not in known]
        known |= {s.request.index: s for s in self._references(rest)}
        references = [known[i] for i in sorted(known) if not known[i].failure]
        trials = self.policy.trials(memory, grid, [sample.feedback for sample in references])
        with tqdm(desc="trials", unit="run", disable=worker.rank > 0, leave=False) as bar:
            results: list[TrialResult] | None = None
            while trials is not None:
                try:
                    asked = next(trials) if results is None else trials.send(results)
                except StopIteration:
                    return
                own = worker.share(list(enumerate(asked)))
                tried = zip([i for i, _ in own], self._try([t for _, t in own], references))
                found = dict(pair for part in worker.gather(list(tried)) for pair in part)
                results = [found[i] for i in range(len(asked))]
                bar.update(len(asked))

    def _references(self, requests: Sequence[Request]) -> list[Sample]:
        """Makes reference runs again, as the policy makes them before it has learned anything."""
        fresh = replace(self, model=LatentsOnly(self.model), memory=None)
        return list(fresh.generate(requests))

    def _try(self, trials: Sequence[Trial], references: Sequence[Sample]) -> list[TrialResult]:
        """Runs trials; returns their results in the same order."""
        policy = FollowEach(plans=iter([trial.plan for trial in trials]))
        begun = [references[trial.reference] for trial in trials]
        asked = [replace(full.request, index=i) for i, full in enumerate(begun)]
        runs = replace(self, model=LatentsOnly(self.model), policy=policy, memory=Memory())
        return [
            TrialResult(distance(run.x, full.x), run.calls, run.feedback, rms(full.x))
            for run, full in zip(in_order(runs.generate(asked)), begun, strict=True)
        ]

    @torch.no_grad()
    def generate(self, requests: Iterable[Request]) -> Iterator[Sample]:
        """Generates requests without learning from them; yields samples as they finish."""
        waiting, active = deque(requests), []
        self._mark = time.perf_counter()
        while waiting or active:
            while waiting and len(active) < self.max_batch:
                active.append(self._begin(waiting.popleft(), active))
            for one in active:
                one.skip_ahead(self.model)
            self._call([one for one in active if one.end is None])
            before, active = active, [one for one in active if one.end is None]
            for one in before:
                if one.end is not None:
                    yield self._finish(one, one.end, before)

    def _begin(self, request: Request, others: list[ActiveSample]) -> ActiveSample:
        self._clock(others)
        problem = self.model.prepare(request)
        if self.memory is None:
            self.memory = self.empty_memory(request.steps)
        episode, scheme = self.learning.begin(problem.grid, self.memory)
        key = self.seed, request.index
        loop = flow(problem.x, problem.grid, scheme, episode, key=key)
        begun = ActiveSample(problem, episode, loop, next(loop), self.model.advance)
        begun.seconds = Seconds(encode=self._elapsed(problem.x))
        return begun

    def _call(self, active: list[ActiveSample]) -> None:
        """Calls the model once per group of samples whose latents can be stacked."""
        groups: dict[tuple, list[ActiveSample]] = {}
        for one in active:
            x = one.step.x
            groups.setdefault((x.shape, x.dtype), []).append(one)
        for group in groups.values():
            conditioning = [one.problem.conditioning for one in group]
            if len(group) == 1:
                x, t = group[0].step.x, group[0].time()
            else:
                x = torch.cat([one.step.x for one in group])
                t = torch.cat([one.time() for one in group])
            rows = self.model.velocity(x, t, conditioning).split(1)
            for one, v in zip(group, rows, strict=True):
                calls = self.model.calls_of(one.problem, [one.step.k])
                one.calls += calls
                one.share += calls
                # a row of a batch is a view that would keep the whole batch alive
                one.send(one.step.x, v if len(group) == 1 else v.clone())

    def _finish(self, done: ActiveSample, end: Trajectory, others: list[ActiveSample]) -> Sample:
        self._clock(others)
        failure = "" if torch.isfinite(end.x).all() else "the latents are not finite (NaN or inf)"
        output = None if failure else self.model.decode(end.x, done.problem)
        return Sample(
            request=done.problem.request,
            output=output,
            x=end.x,
            computed=end.computed,
            calls=done.calls,
            feedback=Feedback() if failure else end.feedback,
            propensities=dict(done.episode.propensities),
            seconds=replace(done.seconds, decode=self._elapsed(end.x)),
            failure=failure,
            calls_full=self.model.calls_of(done.problem, range(done.problem.grid.steps)),
        )

    def _clock(self, active: Sequence[ActiveSample]) -> None:
        """Divides the denoising time since the last reading among the network calls in it."""
        elapsed = self._elapsed(active[0].problem.x if active else None)
        calls = sum(one.share for one in active)
        for one in active:
            part = elapsed * one.share / calls if calls else 0.0
            one.seconds, one.share = replace(one.seconds, denoise=one.seconds.denoise + part), 0

    def _elapsed(self, x: Tensor | None) -> float:
        """Returns the seconds since the last reading; waits for the GPU on which x is."""
        if x is not None and x.is_cuda:
            torch.cuda.synchronize(x.device)
        last, self._mark = self._mark, time.perf_counter()
        return self._mark - last


def distance(x: Tensor | None, reference: Tensor | None) -> float:
    """Returns the root mean square difference of final latents; infinite if one is not finite."""
    if x is None or reference is None:
        return math.inf
    return rms(x.float() - reference.float())


def rms(x: Tensor | None) -> float:
    """Returns the root mean square of latents; infinite if one is not finite."""
    value = math.inf if x is None else float(x.float().square().mean().sqrt())
    return value if math.isfinite(value) else math.inf


def in_order(samples: Iterable[Sample]) -> list[Sample]:
    """Returns the samples sorted by index."""
    return sorted(samples, key=lambda sample: sample.request.index)
