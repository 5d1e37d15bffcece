"""The table of a comparison: means with bootstrap intervals, and what the means hide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, stdev
from typing import Any

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.rows import MethodRow
from fastflow.comparison.tuning import CLOSE_ENOUGH
from fastflow.evaluation.bootstrap import Interval, repeated_mean
from fastflow.evaluation.measurement import Metrics, SampleRow
from fastflow.evaluation.summary import IDENTICAL, PSNR, psnr_spread

CONTROL = "negative control"  # the group of methods that a valid comparison ranks last
ANCHOR = "anchor"  # the group of methods that show what is attainable, and are no peers
UNUSABLE = ("oracle", CONTROL)  # the groups of methods that are not for use
OUTPUTS = (10, 100, 1000)  # numbers of outputs among which the learning cost is divided

Key = tuple[str, int]  # a method and a target
Psnrs = Sequence[Mapping[int, float]]  # in dB, of each seed, by the sample's index


@dataclass(frozen=True)
class TableRow:
    """A row of the table; its intervals are (mean, low, high) with 95 % bounds.

    Means are over the samples of all seeds. With one seed the intervals cover its samples, with
    several also another tuning (`repeated_mean`).

    Args:
        method: the name of the method.
        group: the group that it is shown in.
        target: the number of computed steps that the method should take.
        steps: the mean number of computed steps: network calls over those of one step.
        calls: the mean number of network calls (NFE, guidance branches counted).
        reached: whether it is at its target with every seed: within a quarter of a step, or
            interpolated to it between two knobs.
        knob: the parameter that was tuned, with its value; the first seed's if there are several.
        fidelity: the metrics of the distance to the reference run, by name.
        converged: the metrics of the distance to the converged run, by name.
        scores: the task scores, by name.
        score_change: the paired differences of the scores to the reference run's, by name.
        rms: the mean RMS distance to the reference run's final latents.
        predicted_rms: the same as the recorded velocities predict it: for a fixed schedule on the
            tuning samples, for an oracle on the measured ones; None without a prediction.
        seconds: the median denoising time of a single sample; None if not timed.
        speedup_wall: the speed-up in wall time over paired reference runs: median, lowest,
            highest; None if not timed.
        learned: the samples and network calls spent on learning, and facts from it.
        learning_runs: the network calls spent on learning, in reference runs.
        total_cost: for someone who generates 10, 100 and 1,000 outputs, the network calls per
            output, learning included, as a share of the reference run's.
        psnr_spread: of the PSNR to the reference run: ``median_db``, ``p10_db`` (10th
            percentile), ``worst_db``, ``flip_share`` (of samples below 30 dB), and
            ``near_best_share`` (of samples within 1 dB of the best of any usable method).
        peak: the peak memory in bytes; None if not measured.
        failed: the number of samples that failed.
        failure: why there are no measurements; empty if there are.
        marks: why the row does not count as what its name and its target say; empty if it does.
        notes: what else there is to know, such as between which knobs it is interpolated.
        psnr_of_seeds: the mean PSNR of each seed, if there are several.
        between_seeds: the standard deviation of those means in dB; None for one seed.
    """

    method: str
    group: str
    target: int
    steps: float
    calls: float
    reached: bool
    knob: str
    fidelity: dict[str, Interval]
    converged: dict[str, Interval]
    scores: dict[str, Interval]
    score_change: dict[str, Interval]
    rms: float | None
    predicted_rms: float | None
    seconds: float | None
    speedup_wall: Interval | None
    learned: dict[str, Any]
    learning_runs: float
    total_cost: dict[str, float]
    psnr_spread: dict[str, float]
    peak: int | None
    failed: int
    failure: str = ""
    marks: str = ""
    notes: str = ""
    psnr_of_seeds: dict[str, float] = field(default_factory=dict)
    between_seeds: float | None = None

    @property
    def psnr(self) -> float | None:
        """The mean PSNR to the reference run."""
        return self.fidelity[PSNR][0] if PSNR in self.fidelity else None

    @property
    def is_marked(self) -> bool:
        """Whether it missed its target or is not what its name says; then it is never the best."""
        return bool(self.marks)

    @property
    def is_within_target(self) -> bool:
        """Whether it computes no more steps than its target; fewer are to its disadvantage."""
        return self.steps <= self.target + CLOSE_ENOUGH


@dataclass
class RowReader:
    """Summarises the rows of a comparison.

    Args:
        settings: the comparison's settings.
        branches: the number of network calls of one computed step.
        references: for each seed the rows of the reference runs, by the samples' indices.
    """

    settings: ComparisonSettings
    branches: float
    references: Sequence[Mapping[int, SampleRow]]

    def read(self, row: MethodRow, *others: MethodRow) -> TableRow:
        """Returns the means and intervals of a method's row, and of that row with other seeds."""
        rows = (row, *others)
        calls = _pooled(rows, lambda sample: sample.calls)
        pairs = [pair for one in rows for pair in one.pairs]
        ratios = sorted(reference / own for reference, own in pairs if own > 0)
        full = self.branches * self.settings.steps  # network calls of a reference run
        learning = fmean(one.learned.get("calls", 0) for one in rows)
        measured = any(one.samples for one in rows)
        means = [fmean(psnrs.values()) for one in rows if (psnrs := psnrs_of(one))]
        return TableRow(
            method=row.method,
            group=self.settings.group_of(row.method),
            target=row.target,
            steps=calls / self.branches,
            calls=calls,
            reached=all(self._reached(one) for one in rows),
            knob="" if row.value is None else f"{row.knob}={row.value:.4g}",
            fidelity=_intervals(rows, self._fidelity),
            converged=_intervals(rows, lambda sample: sample.converged),
            scores=_intervals(rows, self._scores),
            score_change=self._score_change(rows),
            rms=_pooled(rows, lambda sample: sample.rms) if measured else None,
            predicted_rms=_predicted(rows),
            seconds=median(own for _, own in pairs) if pairs else None,
            speedup_wall=(median(ratios), ratios[0], ratios[-1]) if ratios else None,
            learned=row.learned,
            learning_runs=learning / full,
            total_cost={str(n): (learning + n * calls) / (n * full) for n in OUTPUTS if measured},
            psnr_spread=_spread(rows),
            peak=row.peak,
            failed=sum(bool(sample.failure) for one in rows for sample in one.samples),
            failure=next((one.failure for one in rows if one.failure), ""),
            marks=self._told(rows, self._marks),
            notes=self._told(rows, self._notes),
            psnr_of_seeds=self._named(means) if others else {},
            between_seeds=stdev(means) if len(means) > 1 else None,
        )

    def _named(self, means: Sequence[float]) -> dict[str, float]:
        return {str(seed): mean for seed, mean in zip(self.settings.every_seed(), means)}

    def _told(self, rows: Sequence[MethodRow], texts: Callable[[MethodRow], Iterator[str]]) -> str:
        """Returns what is to be said about the rows of all seeds, each with its seed."""
        seeds = self.settings.every_seed()
        heads = ["" if len(rows) == 1 else f"seed {seed}: " for seed in seeds]
        return "; ".join(
            head + text for head, row in zip(heads, rows, strict=False) for text in texts(row)
        )

    def _steps(self, row: MethodRow) -> float:
        return _pooled([row], lambda sample: sample.calls) / self.branches

    def _reached(self, row: MethodRow) -> bool:
        return row.second is not None or abs(self._steps(row) - row.target) <= CLOSE_ENOUGH

    def _marks(self, row: MethodRow) -> Iterator[str]:
        if row.samples and not self._reached(row):
            yield f"missed its target: {self._steps(row):.1f} steps instead of {row.target}"
        if row.mark:
            yield row.mark

    def _notes(self, row: MethodRow) -> Iterator[str]:
        if row.second is not None and row.value is not None:
            ends = [fmean(s.calls for s in side) for side in (row.samples, row.second.samples)]
            yield (
                f"interpolated between {row.knob}={row.value:.4g} and {row.second.value:.4g} "
                f"({ends[0] / self.branches:.1f} and {ends[1] / self.branches:.1f} steps)"
            )
        if row.note:
            yield row.note

    def _is_score(self, name: str) -> bool:
        """Returns whether a metric is a score of the output alone: reference runs have it too."""
        seeds = self.references
        return any(name in row.metrics_of("full") for one in seeds for row in one.values())

    def _scores(self, sample: SampleRow) -> Metrics:
        return {name: v for name, v in sample.metrics.items() if self._is_score(name)}

    def _fidelity(self, sample: SampleRow) -> Metrics:
        return {name: v for name, v in sample.metrics.items() if not self._is_score(name)}

    def _score_change(self, rows: Sequence[MethodRow]) -> dict[str, Interval]:
        """Returns the paired differences of the scores to the reference run's."""
        seeds = list(zip(rows, self.references, strict=False))
        scored = [row.metrics_of("full") for _, one in seeds for row in one.values()]
        names = dict.fromkeys(name for scores in scored for name in scores)
        found = {n: [own for one in seeds if (own := _changes(*one, n))] for n in names}
        return {name: repeated_mean(groups) for name, groups in found.items() if groups}


def _changes(row: MethodRow, references: Mapping[int, SampleRow], name: str) -> dict[int, float]:
    """Returns each sample's score minus that of its reference run, by its index."""

    def change(sample: SampleRow) -> float | None:
        full = references[sample.index].metrics_of("full")
        return value_of(sample.metrics, name) - full[name] if name in full else None

    return row.values(change)


def psnrs_of(row: MethodRow) -> dict[int, float]:
    """Returns the PSNR to the reference run in dB of each sample of a row, by its index."""
    return row.values(lambda sample: value_of(sample.metrics, PSNR))


def psnr_shares(psnrs: Sequence[float]) -> dict[str, float]:
    """Returns ``median_db``, ``p10_db``, ``worst_db`` and ``flip_share`` of PSNRs in dB."""
    found = psnr_spread(psnrs)
    names = ("median_db", "p10_db", "worst_db")
    share = found["flips"] / len(psnrs)
    return {name: found[f"psnr_{name}"] for name in names} | {"flip_share": share}


def _spread(rows: Sequence[MethodRow]) -> dict[str, float]:
    """Returns how the PSNR is spread over all samples of all seeds; empty if not measured.

    Of a row with two knobs each of these numbers is interpolated, not each sample.
    """
    if not any(PSNR in sample.metrics for row in rows for sample in row.samples):
        return {}
    first = [value_of(s.metrics, PSNR) for row in rows for s in row.samples]
    seconds = [s for row in rows for s in (row.second.samples if row.second else row.samples)]
    share = fmean(row.second.share if row.second else 0.0 for row in rows)
    near, far = psnr_shares(first), psnr_shares([value_of(s.metrics, PSNR) for s in seconds])
    return {name: (1 - share) * near[name] + share * far[name] for name in near}


def value_of(metrics: Metrics, name: str) -> float:
    """Returns a metric for averaging: 0 if it is missing, `IDENTICAL` if it is infinite."""
    value = metrics.get(name, 0.0)
    return value if math.isfinite(value) else IDENTICAL


def _intervals(
    rows: Sequence[MethodRow], part: Callable[[SampleRow], Metrics]
) -> dict[str, Interval]:
    """Returns the mean and the interval of every metric, over the samples that have it.

    A failed sample has no output to measure; it counts as 0 dB in the PSNR and is left out of the
    other metrics.
    """
    names = dict.fromkeys(name for row in rows for s in row.samples for name in part(s))

    def values(row: MethodRow, name: str) -> dict[int, float]:
        def number(sample: SampleRow) -> float | None:
            metrics = part(sample)
            return value_of(metrics, name) if name in metrics or name == PSNR else None

        return row.values(number)

    found = {name: [own for row in rows if (own := values(row, name))] for name in names}
    return {name: repeated_mean(groups) for name, groups in found.items() if groups}


def _predicted(rows: Sequence[MethodRow]) -> float | None:
    """Returns the mean predicted RMS distance; None unless every seed has one."""
    found = [row.learned.get("facts", {}).get("predicted_rms") for row in rows]
    return None if None in found else fmean(found)


def _pooled(rows: Sequence[MethodRow], number: Callable[[SampleRow], float | None]) -> float:
    """Returns the mean over the samples of all seeds; 0 if there are none."""
    numbers = [value for row in rows for value in row.values(number).values()]
    return fmean(numbers) if numbers else 0.0
