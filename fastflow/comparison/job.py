"""The comparison itself: baselines first, then row by row, each kept once it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeVar

from tqdm import tqdm, trange

from fastflow.comparison.comparison_settings import Plan
from fastflow.comparison.measure import Measure
from fastflow.comparison.references import (
    References,
    converged,
    full_runs,
    other_batch,
    velocity_change,
)
from fastflow.comparison.rows import SOURCE, ComparisonDirectory, Row
from fastflow.comparison.tuning import Search, mean_steps, replayed
from fastflow.evaluation.method import Bench, Learned, Method
from fastflow.evaluation.metric import Metric
from fastflow.sampling.executor import side_by_side
from fastflow.sampling.model import FlowModel, Model
from fastflow.sampling.recording import Recording
from fastflow.sampling.reference import reference_sampler
from fastflow.sampling.request import Request

T = TypeVar("T")


@dataclass
class Job:
    """One comparison: its parts, and what it still has to do."""

    plan: Plan
    adapter: Model
    methods: dict[str, Method]
    metrics: list[Metric]
    measured: list[Request]
    tuning: list[Request]
    directory: ComparisonDirectory
    searches: dict[str, Search] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)

    def work(self) -> None:
        """Measures every row that is not there yet."""
        model = self.adapter.load(self.plan.device, self.plan.dtype)
        recording = self._record(model)
        bench = Bench(
            model,
            self.plan.steps,
            recording,
            seed=self.plan.seed,
            max_batch=self.plan.max_batch,
        )
        measure = Measure(bench, self.measured, self.metrics, self._baselines(model))
        bench.references = measure.references.full
        self._keep_baselines(measure)
        rows = len(self.methods) * len(self.plan.targets)
        with tqdm(total=rows, unit="row", desc="methods") as bar:
            if self.plan.workers > 1:
                self._work_side_by_side(measure, bar)
            else:
                self._work_in_turn(measure, bar)

    def _work_in_turn(self, measure: Measure, bar: tqdm) -> None:
        for target, name in product(self.plan.targets, self.methods):
            bar.set_postfix_str(f"{name} at {target}")
            self._keep_row(measure, name, target)
            bar.update()

    def _work_side_by_side(self, measure: Measure, bar: tqdm) -> None:
        """Gives each process a method with all its rows, which share a search."""

        def rows_of(name: str) -> str:
            for target in self.plan.targets:
                self._keep_row(measure, name, target)
            return name

        for name in side_by_side(rows_of, list(self.methods), self.plan.workers):
            bar.set_postfix_str(name)
            bar.update(len(self.plan.targets))

    def _keep_row(self, measure: Measure, name: str, target: int) -> None:
        if not self.directory.has_row(name, target):
            self.directory.keep(self._row(measure, name, target))

    def _record(self, model: FlowModel) -> Recording:
        size, parts = self.plan.max_batch, []
        for start in trange(0, len(self.tuning), size, desc="tuning runs", unit="batch"):
            parts.append(Recording.make(model, self.tuning[start : start + size], size))
        return Recording.joined(parts)

    def _baselines(self, model: FlowModel) -> References:
        plan, requests = self.plan, self.measured
        full = self._shown(full_runs(model, requests, plan.max_batch), "full runs")
        other = reference_sampler(model, max_batch=other_batch(plan.max_batch)).generate(requests)
        again = self._shown(other, "full runs, another batch")
        reference: Iterable[tuple[int, Any]] = ()
        if plan.converged_steps:
            kept = self.directory.path / "converged.safetensors"
            runs = converged(model, requests, plan.converged_steps, plan.max_batch, kept)
            reference = self._shown(runs, f"in {plan.converged_steps} steps")
        return References(
            {sample.request.index: sample for sample in full},
            {sample.request.index: sample for sample in again},
            dict(reference),
        )

    def _shown(self, samples: Iterable[T], what: str) -> Iterator[T]:
        """Passes samples on and shows how many there were."""
        yield from tqdm(samples, total=len(self.measured), desc=what, unit="sample")

    def _keep_baselines(self, measure: Measure) -> None:
        full, again = measure.references.full, measure.references.again
        for index in sorted(full)[: self.plan.examples]:
            self.directory.keep_image("full", None, index, full[index].output)
            if source := full[index].request.image:
                self.directory.keep_image(SOURCE, None, index, source)
        self.directory.write_json(
            "baselines.json",
            {
                "full": [measure.of(full[i]) for i in sorted(full)],
                "floor": [measure.of(again[i]) for i in sorted(again)],
                "prompts": [request.prompt for request in self.measured],
                "tasks": [request.task for request in self.measured],
                "branches": full[self.measured[0].index].calls / self.plan.steps,
                "velocity_change": velocity_change(full.values()),
                "tuning_calls": measure.bench.tuning.calls,
                "identical_at_zero": self._identical_at_zero(measure),
            },
        )

    def _identical_at_zero(self, measure: Measure) -> dict[str, bool]:
        """Says of each method that is exact at a knob of zero whether it is, bit for bit."""
        found = {}
        alone = reference_sampler(measure.bench.model, max_batch=1)
        for name, method in self.methods.items():
            if not method.exact_at_zero or method.unavailable():
                continue
            (full,) = alone.generate(self.measured[:1])
            exact = method.at(0.0)
            learned = exact.learn(measure.bench, self.tuning)
            (sample,) = exact.generate(measure.bench, self.measured[:1], learned)
            found[name] = bool((sample.x == full.x).all()) and sample.calls == full.calls
        return found

    def _row(self, measure: Measure, name: str, target: int) -> Row:
        """Measures one row; what goes wrong is written into it, and the others go on."""
        method, bench = self.methods[name], measure.bench
        row = Row(name, target, repr(method), method.knob.name)
        if reason := method.unavailable():
            row.failure = reason
            return row
        try:
            row.value = self._search(measure, name).find(target)
            method = method.at(row.value)
            row.recipe = repr(method)
            asked = self.measured if method.is_oracle else self.tuning
            learned = method.learn(bench, asked)
            row.learned = {
                "samples": learned.samples,
                "calls": learned.calls,
                "facts": learned.facts,
            }
            with tqdm(
                total=len(self.measured),
                unit="sample",
                leave=False,
                desc=name,
                disable=self.plan.workers > 1,  # bars of several processes would overwrite
            ) as bar:

                def show(sample) -> None:
                    bar.update()
                    if sample.request.index < self.plan.examples:
                        self.directory.keep_image(
                            name, target, sample.request.index, sample.output
                        )

                row.samples = measure.samples(method, learned, show)
            if not method.is_oracle:
                row.pairs = measure.pairs(method, learned, self.plan.pairs)
            if name not in self.peaks:
                self.peaks[name] = measure.peak(method, learned, self.plan.device)
            row.peak = self.peaks[name]
        except Exception as error:
            row.samples, row.failure = [], f"{type(error).__name__}: {error}"
            tqdm.write(f"{name} at {target} steps failed: {row.failure}")
        return row

    def _search(self, measure: Measure, name: str) -> Search:
        """Returns the method's search, which remembers what it tried for other targets."""
        if name not in self.searches:
            method, bench = self.methods[name], measure.bench
            steps_at = replayed(method, bench) if method.replays else self._live(method, bench)
            self.searches[name] = Search(method.knob, steps_at)
        return self.searches[name]

    def _live(self, method: Method, bench: Bench) -> Callable[[float], float]:
        """Returns how many steps a method computes, on a few tuning prompts by the network."""
        learned: list[Learned] = []

        def steps_at(value: float) -> float:
            if not learned:
                learned.append(method.learn(bench, self.tuning))
            return mean_steps(method.at(value), bench, self.tuning[: self.plan.live], learned[0])

        return steps_at
