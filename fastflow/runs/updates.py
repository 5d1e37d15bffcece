"""A run's samples, a round at a time: what is left to do, and what the done has taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fastflow.integration.feedback import Feedback
from fastflow.policies.memory import Memory
from fastflow.runs.directory import RunDirectory
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample
from fastflow.sampling.sampler import Sampler
from fastflow.sampling.storage import load_memory, save_memory, writing


class Updates:
    """Goes through the samples a round at a time, and learns after each round.

    What earlier rounds taught is read back from the run's records. So a resumed run has the memory
    that the unbroken one had, and ends as it would have.
    """

    def __init__(
        self,
        sampler: Sampler,
        plan: RunSettings,
        directory: RunDirectory,
        requests: Sequence[Request],
    ):
        self.sampler, self.plan, self.directory, self.requests = sampler, plan, directory, requests
        self.done = {row["index"] for row in directory.rows()}
        self.kept = directory.feedbacks()
        self.round: Sequence[Request] = ()
        sampler.memory = self._memory()

    @property
    def left(self) -> list[Request]:
        """The requests that are not done."""
        return [r for r in self.requests if r.index not in self.done]

    def __iter__(self) -> Iterator[list[Request]]:
        start = 0
        while start < len(self.requests):
            size = self.sampler.samples_until_update(self.plan.steps) or 4 * self.plan.max_batch
            self.round = self.requests[start : start + size]
            start += size
            left = [r for r in self.round if r.index not in self.done]
            if left:
                yield left
            else:
                self.learn([])

    def learn(self, samples: Sequence[Sample]) -> None:
        """Takes the round's lessons in, in the order of its samples."""
        feedbacks = self.kept | {s.request.index: s.feedback for s in samples}
        self.sampler.learn([feedbacks.get(r.index, Feedback()) for r in self.round])

    def save(self) -> None:
        """Writes memory.json."""
        if self.sampler.memory is not None:
            path = self.directory.path / "memory.json"
            with writing(path):
                save_memory(self.sampler.memory, path)

    def _memory(self) -> Memory:
        memory = self.sampler.empty_memory(self.plan.steps)
        if self.plan.memory is not None:
            load_memory(memory, Path(self.plan.memory))
        memory.frozen = self.plan.frozen
        self.sampler.policy.begin(self.sampler.model.grid(self.plan.steps), memory)  # does it fit?
        return memory
