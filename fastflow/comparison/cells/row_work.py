"""One row of a comparison: a method tuned to a target, learned, measured and timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from tqdm import tqdm

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.fairness.forecast import TunedMethod, tried
from fastflow.comparison.fairness.recorded_cost import recorded_costs
from fastflow.comparison.measure import Measure
from fastflow.comparison.rows import ComparisonDirectory, MethodRow, SecondKnob
from fastflow.comparison.tuning import CLOSE_ENOUGH, Search, mean_steps, replayed, share_beyond
from fastflow.evaluation.measurement import SampleRow
from fastflow.evaluation.method import Learned, Method
from fastflow.sampling.executor import Worker, kind_of_device
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample

MARGINS = (0.5, 2.0)  # steps beyond a missed target to look for a second knob, one try each
Cell = tuple[int, str]  # a target and the name of a method


@dataclass
class Begun:
    """A row whose method is tuned and has learned, and which is not measured yet.

    Attributes:
        row: the row, so far.
        tuned: the method; None if the row has failed.
        by: the process that tuned it, which knows the values it tried.
    """

    row: MethodRow
    tuned: TunedMethod | None = None
    by: int = 0


@dataclass
class RowWork:
    """Measures rows; none depends on which others this process has measured.

    Attributes:
        learned: what methods have learned that learn the same whatever their knob, by name.
        ready: the tuned methods of the rows that this process has measured, to be timed.
    """

    settings: ComparisonSettings
    methods: dict[str, Method]
    measure: Measure
    tuning: Sequence[Request]
    directory: ComparisonDirectory
    worker: Worker
    learned: dict[str, Learned] = field(default_factory=dict)
    ready: dict[Cell, TunedMethod] = field(default_factory=dict)
    _peaks: dict[str, int] = field(default_factory=dict)
    _searches: dict[Cell, Search] = field(default_factory=dict)
    _steps_at: dict[str, Callable[[float], float]] = field(default_factory=dict)

    def learns_once(self, name: str) -> bool:
        """Returns whether a method learns the same at every value of its knob."""
        method = self.methods[name]
        searched = not method.replays and not method.is_oracle
        return searched and not method.unavailable() and not method.knob.is_computed_steps

    def learn(self, name: str) -> Learned | None:
        """Returns what such a method learns; None if it fails, as its rows will then say."""
        try:
            return self.methods[name].learn(self.measure.bench, self.tuning)
        except Exception:
            return None

    def keep(self, name: str, target: int) -> None:
        """Measures a row and writes it."""
        self.directory.keep(self.row(name, target))

    def row(self, name: str, target: int) -> MethodRow:
        """Measures one row; an error becomes the row's failure, and the comparison continues."""
        begun = self.begin(name, target)
        if begun.tuned is None:
            return begun.row
        try:
            begun.row.samples = self.measured(begun)
        except Exception as error:
            return failed(begun.row, error)
        return self.complete(begun)

    def begin(self, name: str, target: int) -> Begun:
        """Tunes the method of a row and lets it learn."""
        method = self.methods[name]
        row = MethodRow(name, target, repr(method), method.knob.name)
        if reason := method.unavailable():
            row.failure = reason
            return Begun(row, None, self.worker.rank)
        try:
            row.value = self._search(name, target).find(target)
            tuned = self._tuned(name, self.methods[name].at(row.value))
        except Exception as error:
            return Begun(failed(row, error), None, self.worker.rank)
        row.recipe, row.mark, row.note = repr(tuned.method), tuned.mark, tuned.note
        own = tuned.learned
        row.learned = {"samples": own.samples, "calls": own.calls, "facts": own.facts}
        return Begun(row, tuned, self.worker.rank)

    def complete(self, begun: Begun) -> MethodRow:
        """Measures what else is in a row whose samples are measured."""
        row, tuned = begun.row, begun.tuned
        assert tuned is not None
        try:
            row.second = self._second(row, self._search(row.method, row.target))
            row.recorded = recorded_costs(
                tuned.method, self.measure.bench, tuned.learned, row.samples
            )
            row.peak = self._peak(row.method, tuned)
            if self.worker.size == 1:
                self.time(row, tuned)
            elif self.is_timed(row.method):
                self.ready[row.target, row.method] = tuned
        except Exception as error:
            return failed(row, error)
        return row

    def is_timed(self, name: str) -> bool:
        """Returns whether the comparison measures times of a method."""
        return self.settings.pairs > 0 and not self.methods[name].is_oracle

    def time(self, row: MethodRow, tuned: TunedMethod) -> None:
        """Times a row's method, next to reference runs."""
        if self.is_timed(row.method):
            row.pairs = self.measure.pairs(tuned.method, tuned.learned, self.settings.pairs)
            row.timed_on = kind_of_device(self.worker.device)

    def tuned_again(self, row: MethodRow) -> TunedMethod:
        """Returns the tuned method of a row that was measured earlier."""
        return self._tuned(row.method, self.methods[row.method].at(row.value or 0.0))

    def measured(self, begun: Begun, requests: Sequence[Request] | None = None) -> list[SampleRow]:
        """Generates and measures samples of a row, all or some, and keeps the examples."""
        assert begun.tuned is not None
        return self._measured(begun.row, begun.tuned, requests, keep=True)

    def _measured(
        self,
        row: MethodRow,
        tuned: TunedMethod,
        requests: Sequence[Request] | None = None,
        keep: bool = False,
    ) -> list[SampleRow]:
        asked = self.measure.requests if requests is None else requests
        silent = self.worker.rank > 0  # bars of several processes overwrite each other
        with tqdm(
            total=len(asked), unit="sample", leave=False, desc=row.method, disable=silent
        ) as bar:

            def show(sample: Sample) -> None:
                bar.update()
                index = sample.request.index
                if keep and index < self.settings.examples:
                    self.directory.keep_image(row.method, row.target, index, sample.output)

            return self.measure.samples(tuned.method, tuned.learned, show, asked)

    def _tuned(self, name: str, method: Method) -> TunedMethod:
        """Lets a method learn, and tries a plan live on the last of the tuning samples."""
        bench = self.measure.bench
        if method.is_oracle:
            return TunedMethod(method, method.learn(bench, self.measure.requests))
        learned = self.learned.get(name) or method.learn(bench, self.tuning)
        return tried(method, bench, learned, self.tuning[-self.settings.live :])

    def _peak(self, name: str, tuned: TunedMethod) -> int:
        if name not in self._peaks:
            method, learned = tuned.method, tuned.learned
            self._peaks[name] = self.measure.peak(method, learned, self.worker.device)
        return self._peaks[name]

    def _second(self, row: MethodRow, search: Search) -> SecondKnob | None:
        """Measures a row at another knob beyond its target, if it missed that by too much."""
        steps = self.measure.steps(row.samples)
        if abs(steps - row.target) <= CLOSE_ENOUGH or row.mark:
            return None
        found = (self._beyond(row, search, margin) for margin in MARGINS)
        return next((second for second in found if second is not None), None)

    def _beyond(self, row: MethodRow, search: Search, margin: float) -> SecondKnob | None:
        """Measures a row so many steps beyond its target; None if it does not get there."""
        steps, first = self.measure.steps(row.samples), row.value or 0.0
        value = search.beyond(first, steps, row.target, margin)
        if search.knob.is_computed_steps and value is not None:
            value = min(max(value, 2), self.settings.steps)
        if value is None or value == first:
            return None
        tuned = self._tuned(row.method, self.methods[row.method].at(value))
        samples = self._measured(row, tuned)
        share = share_beyond(steps, self.measure.steps(samples), row.target)
        if share is None or tuned.mark:
            return None
        return SecondKnob(value, share, samples)

    def _search(self, name: str, target: int) -> Search:
        """Returns the search of a row's knob; searches of one method share what they count."""
        if name not in self._steps_at:
            method, bench = self.methods[name], self.measure.bench
            counted = replayed(method, bench) if method.replays else self._live(name)
            self._steps_at[name] = cache(counted)
        if (target, name) not in self._searches:
            search = Search(self.methods[name].knob, self._steps_at[name])
            self._searches[target, name] = search
        return self._searches[target, name]

    def _live(self, name: str) -> Callable[[float], float]:
        """Returns a function from a knob's value to the mean computed steps, run live."""
        method, bench = self.methods[name], self.measure.bench
        learned: list[Learned] = []

        def steps_at(value: float) -> float:
            if not learned:
                learned.append(self.learned.get(name) or method.learn(bench, self.tuning))
            requests = self.tuning[: self.settings.live]
            return mean_steps(method.at(value), bench, requests, learned[0])

        return steps_at


def failed(row: MethodRow, error: Exception) -> MethodRow:
    """Returns a row that has failed, and says so."""
    failure = f"{type(error).__name__}: {error}"
    tqdm.write(f"{row.method} at {row.target} steps failed: {failure}")
    return replace(row, samples=[], second=None, failure=failure)
