"""The work of a comparison: first the references, then row by row, each kept when finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tqdm import tqdm

from fastflow.comparison.cells.blocks import measure_in_blocks
from fastflow.comparison.cells.converged import converged_outputs
from fastflow.comparison.cells.row_work import Cell, RowWork
from fastflow.comparison.cells.timing import time_rows
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.measure import Measure
from fastflow.comparison.references import (
    References,
    StoredReferences,
    mean_velocity_change,
    other_batch,
    reference_runs,
)
from fastflow.comparison.rows import REFERENCE, SOURCE, ComparisonDirectory
from fastflow.evaluation.measurement import Measurement
from fastflow.evaluation.method import Bench, Method
from fastflow.evaluation.metric import Metric
from fastflow.sampling.executor import Worker
from fastflow.sampling.model import FlowModel
from fastflow.sampling.recording import Recording
from fastflow.sampling.reference import reference_sampler
from fastflow.sampling.request import Request

Portion = TypeVar("Portion")
Done = TypeVar("Done")


@dataclass
class ComparisonJob:
    """One comparison, with one seed: its settings, model, methods and requests.

    Every process of the run has one, and takes a part of the work.

    Attributes:
        worker: this process.
    """

    settings: ComparisonSettings
    model: FlowModel
    methods: dict[str, Method]
    metrics: list[Metric]
    measured: list[Request]
    tuning: list[Request]
    directory: ComparisonDirectory
    worker: Worker

    def work(self) -> Iterator[int]:
        """Measures every row that is not finished yet; yields how many samples are measured."""
        bench = Bench(
            self.model,
            self.settings.steps,
            self._record(),
            seed=self.settings.seed,
            max_batch=self.settings.max_batch,
        )
        references = self._references()
        bench.references = references.reference
        measure = Measure(bench, self.measured, Measurement(self.metrics), references)
        self._keep_references(measure)
        rows = RowWork(
            self.settings, self.methods, measure, self.tuning, self.directory, self.worker
        )
        yield from self._rows(rows)
        time_rows(rows, self._name("rows"))

    def _rows(self, work: RowWork) -> Iterator[int]:
        """Measures the rows: one to a process, and what is less than that in blocks of prompts."""
        asked = [(target, name) for target in self.settings.targets for name in self.methods]
        cells = self.worker.from_first(
            lambda: [cell for cell in asked if not self.directory.has_row(cell[1], cell[0])]
        )
        yield (len(asked) - len(cells)) * len(self.measured)
        self._learn_once(work, cells)
        whole = cells[: len(cells) - len(cells) % self.worker.size]
        done = 0
        for target, name in self.worker.claim(self._name("rows"), whole):
            work.keep(name, target)
            done += 1
            yield len(self.measured)
        yield (sum(self.worker.gather(done)) - done) * len(self.measured)
        if rest := cells[len(whole) :]:
            measure_in_blocks(work, rest, self._name("rest"))
            yield len(rest) * len(self.measured)

    def _learn_once(self, work: RowWork, cells: Sequence[Cell]) -> None:
        """Lets each method learn in one process that learns the same whatever its knob."""
        names = [name for name in self.methods if any(name == cell[1] for cell in cells)]
        names = [name for name in names if work.learns_once(name)]
        learned = self.worker.spread(self._name("learning"), names, work.learn)
        work.learned |= {n: one for n, one in zip(names, learned, strict=True) if one is not None}

    def _name(self, work: str) -> str:
        return f"{work} of seed {self.settings.seed}"

    def _spread(
        self, what: str, items: Sequence[Portion], do: Callable[[Portion], Done]
    ) -> list[Done]:
        """Does something with each item in one of the processes, with a progress bar."""
        quiet = self.worker.rank > 0
        with tqdm(total=len(items), desc=what, unit="batch", disable=quiet) as bar:

            def done(item: Portion) -> Done:
                result = do(item)
                bar.update()
                return result

            return self.worker.spread(self._name(what), items, done)

    def _record(self) -> Recording:
        size = self.settings.max_batch
        batches = in_blocks(self.tuning, size)
        parts = self._spread(
            "tuning runs", batches, lambda one: Recording.make(self.model, one, size)
        )
        return Recording.joined(parts)

    def _references(self) -> References:
        settings, requests = self.settings, self.measured
        size, other = settings.max_batch, other_batch(settings.max_batch)
        reference = self._spread(
            "reference runs",
            in_blocks(requests, size),
            lambda block: list(reference_runs(self.model, block, size)),
        )
        again = self._spread(
            "reference runs, another batch size",
            in_blocks(requests, other),
            lambda block: list(reference_sampler(self.model, max_batch=other).generate(block)),
        )
        outputs = converged_outputs(
            self.model,
            in_blocks(requests, size) if settings.converged_steps else [],
            settings.converged_steps,
            self.directory.path / "converged.safetensors",
            self._spread,
            self.worker,
        )
        return References(
            {sample.request.index: sample for block in reference for sample in block},
            {sample.request.index: sample for block in again for sample in block},
            outputs,
        )

    def _keep_references(self, measure: Measure) -> None:
        """Measures the references, and writes that in the first process."""
        reference, again = measure.references.reference, measure.references.again
        pairs = self._spread(
            "measuring the references",
            sorted(reference),
            lambda i: (measure.kept_row(reference[i]), measure.kept_row(again[i])),
        )
        identical = self._identical_at_zero(measure)
        if self.worker.rank > 0:
            return
        for index in sorted(reference)[: self.settings.examples]:
            self.directory.keep_image(REFERENCE, None, index, reference[index].output)
            if source := reference[index].request.image:
                self.directory.keep_image(SOURCE, None, index, source)
        rows = [row for row, _ in pairs]
        stored = StoredReferences(
            reference=rows,
            noise_floor=[row for _, row in pairs],
            prompts=[request.prompt for request in self.measured],
            tasks=[request.task for request in self.measured],
            branches=reference[self.measured[0].index].calls / self.settings.steps,
            velocity_change=mean_velocity_change(rows),
            tuning_calls=measure.bench.tuning.calls,
            identical_at_zero=identical,
        )
        self.directory.write_json("references.json", stored.to_json())

    def _identical_at_zero(self, measure: Measure) -> dict[str, bool]:
        """Returns whether each method that should be exact at a knob of 0 is, bit for bit."""
        exact = [
            n for n, one in self.methods.items() if one.exact_at_zero and not one.unavailable()
        ]
        found = self.worker.spread(
            self._name("exact"), exact, lambda name: self._is_identical(measure, name)
        )
        return dict(zip(exact, found, strict=True))

    def _is_identical(self, measure: Measure, name: str) -> bool:
        alone = reference_sampler(measure.bench.model, max_batch=1)
        (reference,) = alone.generate(self.measured[:1])
        exact = self.methods[name].at(0.0)
        learned = exact.learn(measure.bench, self.tuning)
        (sample,) = exact.generate(measure.bench, self.measured[:1], learned)
        return bool((sample.x == reference.x).all()) and sample.calls == reference.calls


def in_blocks(requests: Sequence[Request], size: int) -> list[Sequence[Request]]:
    """Returns the requests in blocks of a size; the last one may be smaller."""
    return [requests[start : start + size] for start in range(0, len(requests), size)]
