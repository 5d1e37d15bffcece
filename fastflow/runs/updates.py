"""A run's samples in batches, with an update of the memory after each batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fastflow.integration.feedback import Feedback
from fastflow.policies.memory import Memory
from fastflow.runs.directory import RunDirectory
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling.executor import Worker
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample
from fastflow.sampling.sampler import ALONE, Sampler
from fastflow.sampling.storage import load_memory, save_memory, writing


class Updates:
    """Yields the samples in batches, and updates the memory after each batch.

    The feedback of finished samples is read from the run's records. So a resumed run learns the
    same as an uninterrupted one, and ends with the same results.

    Args:
        sampler: generates the samples; its memory is set here.
        settings: the settings of the run.
        directory: the run directory, with the records of earlier batches.
        requests: all requests of the run.
        worker: this process of the run.
    """

    def __init__(
        self,
        sampler: Sampler,
        settings: RunSettings,
        directory: RunDirectory,
        requests: Sequence[Request],
        worker: Worker = ALONE,
    ):
        self.sampler, self.settings, self.worker = sampler, settings, worker
        self.directory, self.requests = directory, requests
        self.finished = directory.feedback()
        self.batch: Sequence[Request] = ()
        sampler.memory = self._memory()

    @property
    def left(self) -> list[Request]:
        """The requests that are not finished."""
        return self._left(self.requests)

    def __iter__(self) -> Iterator[list[Request]]:
        for batch in self.sampler.batches(self.requests, 4 * self.settings.max_batch):
            self.batch = batch
            if left := self._left(batch):
                yield left
            else:
                self.learn([])

    def learn(self, samples: Sequence[Sample]) -> None:
        """Learns from the feedback of the batch, in the order of its samples."""
        feedback = self.finished | {sample.request.index: sample.feedback for sample in samples}
        self.sampler.learn([feedback.get(r.index, Feedback()) for r in self.batch])
        self.sampler.tune(self.batch, samples, self.worker)

    def save(self) -> None:
        """Writes memory.json."""
        if self.sampler.memory is not None:
            path = self.directory.path / "memory.json"
            with writing(path):
                save_memory(self.sampler.memory, path)

    def _left(self, requests: Sequence[Request]) -> list[Request]:
        return [request for request in requests if request.index not in self.finished]

    def _memory(self) -> Memory:
        memory = self.sampler.empty_memory(self.settings.steps)
        if self.settings.memory is not None:
            load_memory(memory, Path(self.settings.memory))
        memory.frozen = self.settings.frozen
        grid = self.sampler.model.grid(self.settings.steps)
        self.sampler.policy.begin(grid, memory)  # raises a ValueError if the memory does not fit
        return memory
