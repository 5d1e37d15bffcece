"""The work of a comparison: first the references, then row by row, each kept when finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeVar

from tqdm import tqdm, trange

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.fairness.forecast import TunedMethod, tried
from fastflow.comparison.fairness.recorded_cost import recorded_costs
from fastflow.comparison.measure import Measure
from fastflow.comparison.references import (
    References,
    StoredReferences,
    converged,
    mean_velocity_change,
    other_batch,
    reference_runs,
)
from fastflow.comparison.rows import REFERENCE, SOURCE, ComparisonDirectory, MethodRow, SecondKnob
from fastflow.comparison.tuning import (
    CLOSE_ENOUGH,
    Search,
    mean_steps,
    replayed,
    share_beyond,
)
from fastflow.evaluation.measurement import Measurement, SampleRow
from fastflow.evaluation.method import Bench, Learned, Method
from fastflow.evaluation.metric import Metric
from fastflow.sampling.executor import side_by_side
from fastflow.sampling.model import FlowModel, Model
from fastflow.sampling.recording import Recording
from fastflow.sampling.reference import reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample

MARGINS = (0.5, 2.0)  # steps beyond a missed target to look for a second knob, one try each
Shown = TypeVar("Shown")


@dataclass
class ComparisonJob:
    """One comparison: its settings, model, methods and requests.

    Attributes:
        loaded: the loaded model; `work` loads it if there is none.
        searches: the search of each method's knob.
        peaks: the peak memory of each method in bytes.
    """

    settings: ComparisonSettings
    model: Model
    methods: dict[str, Method]
    metrics: list[Metric]
    measured: list[Request]
    tuning: list[Request]
    directory: ComparisonDirectory
    loaded: FlowModel | None = None
    searches: dict[str, Search] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)

    def work(self) -> None:
        """Measures every row that is not finished yet."""
        model = self.loaded or self.model.load(self.settings.device, self.settings.dtype)
        self.loaded = model
        recording = self._record(model)
        bench = Bench(
            model,
            self.settings.steps,
            recording,
            seed=self.settings.seed,
            max_batch=self.settings.max_batch,
        )
        references = self._references(model)
        bench.references = references.reference
        measure = Measure(bench, self.measured, Measurement(self.metrics), references)
        self._keep_references(measure)
        rows = len(self.methods) * len(self.settings.targets)
        with tqdm(total=rows, unit="row", desc="methods") as bar:
            if self.settings.workers > 1:
                self._work_side_by_side(measure, bar)
            else:
                self._work_in_turn(measure, bar)

    def _work_in_turn(self, measure: Measure, bar: tqdm) -> None:
        for target, name in product(self.settings.targets, self.methods):
            bar.set_postfix_str(f"{name} at {target}")
            self._keep_row(measure, name, target)
            bar.update()

    def _work_side_by_side(self, measure: Measure, bar: tqdm) -> None:
        """Measures methods in parallel; all rows of a method share a search and a process."""

        def rows_of(name: str) -> str:
            for target in self.settings.targets:
                self._keep_row(measure, name, target)
            return name

        for name in side_by_side(rows_of, list(self.methods), self.settings.workers):
            bar.set_postfix_str(name)
            bar.update(len(self.settings.targets))

    def _keep_row(self, measure: Measure, name: str, target: int) -> None:
        if not self.directory.has_row(name, target):
            self.directory.keep(self._row(measure, name, target))

    def _record(self, model: FlowModel) -> Recording:
        size, parts = self.settings.max_batch, []
        for start in trange(0, len(self.tuning), size, desc="tuning runs", unit="batch"):
            parts.append(Recording.make(model, self.tuning[start : start + size], size))
        return Recording.joined(parts)

    def _references(self, model: FlowModel) -> References:
        settings, requests = self.settings, self.measured
        size, steps = settings.max_batch, settings.converged_steps
        reference = self._shown(reference_runs(model, requests, size), "reference runs")
        other = reference_sampler(model, max_batch=other_batch(size)).generate(requests)
        again = self._shown(other, "reference runs, another batch size")
        outputs: Iterable[tuple[int, Any]] = ()
        if steps:
            kept = self.directory.path / "converged.safetensors"
            runs = converged(model, requests, steps, size, kept)
            outputs = self._shown(runs, f"converged runs, {steps} steps")
        return References(
            {sample.request.index: sample for sample in reference},
            {sample.request.index: sample for sample in again},
            dict(outputs),
        )

    def _shown(self, samples: Iterable[Shown], what: str) -> Iterator[Shown]:
        """Yields samples, with a progress bar."""
        yield from tqdm(samples, total=len(self.measured), desc=what, unit="sample")

    def _keep_references(self, measure: Measure) -> None:
        reference = measure.references.reference
        for index in sorted(reference)[: self.settings.examples]:
            self.directory.keep_image(REFERENCE, None, index, reference[index].output)
            if source := reference[index].request.image:
                self.directory.keep_image(SOURCE, None, index, source)
        rows = measure.rows(reference)
        stored = StoredReferences(
            reference=rows,
            noise_floor=measure.rows(measure.references.again),
            prompts=[request.prompt for request in self.measured],
            tasks=[request.task for request in self.measured],
            branches=reference[self.measured[0].index].calls / self.settings.steps,
            velocity_change=mean_velocity_change(rows),
            tuning_calls=measure.bench.tuning.calls,
            identical_at_zero=self._identical_at_zero(measure),
        )
        self.directory.write_json("references.json", stored.to_json())

    def _identical_at_zero(self, measure: Measure) -> dict[str, bool]:
        """Returns whether each method that should be exact at a knob of 0 is, bit for bit."""
        identical = {}
        alone = reference_sampler(measure.bench.model, max_batch=1)
        for name, method in self.methods.items():
            if not method.exact_at_zero or method.unavailable():
                continue
            (reference,) = alone.generate(self.measured[:1])
            exact = method.at(0.0)
            learned = exact.learn(measure.bench, self.tuning)
            (sample,) = exact.generate(measure.bench, self.measured[:1], learned)
            same = bool((sample.x == reference.x).all())
            identical[name] = same and sample.calls == reference.calls
        return identical

    def _row(self, measure: Measure, name: str, target: int) -> MethodRow:
        """Measures one row; an error becomes the row's failure, and the comparison continues."""
        method = self.methods[name]
        row = MethodRow(name, target, repr(method), method.knob.name)
        if reason := method.unavailable():
            row.failure = reason
            return row
        try:
            self._fill(measure, row)
        except Exception as error:
            row.samples, row.second = [], None
            row.failure = f"{type(error).__name__}: {error}"
            tqdm.write(f"{name} at {target} steps failed: {row.failure}")
        return row

    def _fill(self, measure: Measure, row: MethodRow) -> None:
        """Tunes and measures the method of a row."""
        name, search, bench = row.method, self._search(measure, row.method), measure.bench
        row.value = search.find(row.target)
        tuned = self._tuned(bench, self.methods[name].at(row.value))
        method, learned = tuned.method, tuned.learned
        row.recipe, row.mark, row.note = repr(method), tuned.mark, tuned.note
        row.learned = {
            "samples": learned.samples,
            "calls": learned.calls,
            "facts": learned.facts,
        }
        row.samples = self._measured(measure, row, method, learned)
        row.second = self._second(measure, row, search)
        row.recorded = recorded_costs(method, bench, learned, row.samples)
        if not method.is_oracle:
            row.pairs = measure.pairs(method, learned, self.settings.pairs)
        if name not in self.peaks:
            self.peaks[name] = measure.peak(method, learned, self.settings.device)
        row.peak = self.peaks[name]

    def _tuned(self, bench: Bench, method: Method) -> TunedMethod:
        """Lets a method learn, and tries a plan live on the last of the tuning samples."""
        if method.is_oracle:
            return TunedMethod(method, method.learn(bench, self.measured))
        learned = method.learn(bench, self.tuning)
        return tried(method, bench, learned, self.tuning[-self.settings.live :])

    def _measured(
        self, measure: Measure, row: MethodRow, method: Method, learned: Learned
    ) -> list[SampleRow]:
        """Generates and measures the samples of a row, and keeps the examples."""
        with tqdm(
            total=len(self.measured),
            unit="sample",
            leave=False,
            desc=row.method,
            disable=self.settings.workers > 1,  # bars of several processes overwrite each other
        ) as bar:

            def show(sample: Sample) -> None:
                bar.update()
                index = sample.request.index
                if index < self.settings.examples and not row.samples:
                    self.directory.keep_image(row.method, row.target, index, sample.output)

            return measure.samples(method, learned, show)

    def _second(self, measure: Measure, row: MethodRow, search: Search) -> SecondKnob | None:
        """Measures a row at another knob beyond its target, if it missed that by too much."""
        steps = measure.steps(row.samples)
        if abs(steps - row.target) <= CLOSE_ENOUGH or row.mark:
            return None
        found = (self._beyond(measure, row, search, margin) for margin in MARGINS)
        return next((second for second in found if second is not None), None)

    def _beyond(
        self, measure: Measure, row: MethodRow, search: Search, margin: float
    ) -> SecondKnob | None:
        """Measures a row so many steps beyond its target; None if it does not get there."""
        steps, first = measure.steps(row.samples), row.value or 0.0
        value = search.beyond(first, steps, row.target, margin)
        if search.knob.is_computed_steps and value is not None:
            value = min(max(value, 2), self.settings.steps)
        if value is None or value == first:
            return None
        tuned = self._tuned(measure.bench, self.methods[row.method].at(value))
        samples = self._measured(measure, row, tuned.method, tuned.learned)
        share = share_beyond(steps, measure.steps(samples), row.target)
        if share is None or tuned.mark:
            return None
        return SecondKnob(value, share, samples)

    def _search(self, measure: Measure, name: str) -> Search:
        """Returns the method's search, which keeps the values tried for other targets."""
        if name not in self.searches:
            method, bench = self.methods[name], measure.bench
            steps_at = replayed(method, bench) if method.replays else self._live(method, bench)
            self.searches[name] = Search(method.knob, steps_at)
        return self.searches[name]

    def _live(self, method: Method, bench: Bench) -> Callable[[float], float]:
        """Returns a function from a knob's value to the mean computed steps, run live."""
        learned: list[Learned] = []

        def steps_at(value: float) -> float:
            if not learned:
                learned.append(method.learn(bench, self.tuning))
            return mean_steps(
                method.at(value), bench, self.tuning[: self.settings.live], learned[0]
            )

        return steps_at
