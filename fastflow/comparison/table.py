"""The table of a comparison: means with bootstrap intervals, and what the means hide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.rows import MethodRow
from fastflow.evaluation.bootstrap import Interval, bootstrap_mean
from fastflow.evaluation.measurement import Metrics, SampleRow
from fastflow.evaluation.summary import IDENTICAL, PSNR, psnr_spread

CONTROL = "negative control"  # the group of methods that a valid comparison ranks last
ANCHOR = "anchor"  # the group of methods that show what is attainable, and are no peers
UNUSABLE = ("oracle", CONTROL)  # the groups of methods that are not for use
OUTPUTS = (10, 100, 1000)  # numbers of outputs among which the learning cost is divided
NEAR = 1.0  # dB; how far below a sample's best a PSNR counts as near it


@dataclass(frozen=True)
class TableRow:
    """A row of the table; its intervals are (mean, low, high) with 95 % bootstrap bounds.

    Args:
        method: the name of the method.
        group: the group that it is shown in.
        target: the number of computed steps that the method should take.
        steps: the mean number of computed steps: network calls over those of one step.
        calls: the mean number of network calls (NFE, guidance branches counted).
        reached: whether `steps` is within one of the target.
        knob: the parameter that was tuned, with its value.
        fidelity: the metrics of the distance to the reference run, by name.
        converged: the metrics of the distance to the converged run, by name.
        scores: the task scores, by name.
        score_change: the paired differences of the scores to the reference run's, by name.
        rms: the mean RMS distance to the reference run's final latents.
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
    seconds: float | None
    speedup_wall: Interval | None
    learned: dict[str, Any]
    learning_runs: float
    total_cost: dict[str, float]
    psnr_spread: dict[str, float]
    peak: int | None
    failed: int
    failure: str = ""

    @property
    def psnr(self) -> float | None:
        """The mean PSNR to the reference run."""
        return self.fidelity[PSNR][0] if PSNR in self.fidelity else None


@dataclass
class RowReader:
    """Summarises the rows of a comparison.

    Args:
        settings: the comparison's settings.
        branches: the number of network calls of one computed step.
        references: the rows of the reference runs, by the samples' indices.
    """

    settings: ComparisonSettings
    branches: float
    references: Mapping[int, SampleRow]

    def read(self, row: MethodRow) -> TableRow:
        """Returns the means and intervals of a method's row."""
        samples, branches = row.samples, self.branches
        calls = _mean(sample.calls for sample in samples)
        ratios = sorted(reference / own for reference, own in row.pairs if own > 0)
        rms = [sample.rms for sample in samples if sample.rms is not None]
        full = branches * self.settings.steps  # network calls of a reference run
        learning = row.learned.get("calls", 0)
        return TableRow(
            method=row.method,
            group=self.settings.group_of(row.method),
            target=row.target,
            steps=calls / branches,
            calls=calls,
            reached=abs(calls / branches - row.target) <= 1,
            knob="" if row.value is None else f"{row.knob}={row.value:.4g}",
            fidelity=_intervals(samples, self._fidelity),
            converged=_intervals(samples, lambda sample: sample.converged),
            scores=_intervals(samples, self._scores),
            score_change=self._score_change(samples),
            rms=_mean(rms) if samples else None,
            seconds=median(own for _, own in row.pairs) if row.pairs else None,
            speedup_wall=(median(ratios), ratios[0], ratios[-1]) if ratios else None,
            learned=row.learned,
            learning_runs=learning / full,
            total_cost={str(n): (learning + n * calls) / (n * full) for n in OUTPUTS if samples},
            psnr_spread=_spread(samples),
            peak=row.peak,
            failed=sum(bool(sample.failure) for sample in samples),
            failure=row.failure,
        )

    def _is_score(self, name: str) -> bool:
        """Returns whether a metric is a score of the output alone: reference runs have it too."""
        return any(name in row.metrics_of("full") for row in self.references.values())

    def _scores(self, sample: SampleRow) -> Metrics:
        return {name: v for name, v in sample.metrics.items() if self._is_score(name)}

    def _fidelity(self, sample: SampleRow) -> Metrics:
        return {name: v for name, v in sample.metrics.items() if not self._is_score(name)}

    def _score_change(self, samples: Sequence[SampleRow]) -> dict[str, Interval]:
        """Returns the paired differences of the scores to the reference run's."""
        reference = {index: row.metrics_of("full") for index, row in self.references.items()}
        names = dict.fromkeys(name for scores in reference.values() for name in scores)
        return {
            name: bootstrap_mean(
                [value_of(s.metrics, name) - reference[s.index][name] for s in scored]
            )
            for name in names
            if (scored := [s for s in samples if name in reference[s.index]])
        }


def with_near_best(
    table: Sequence[TableRow], psnrs: Mapping[tuple[str, int], Mapping[int, float]]
) -> list[TableRow]:
    """Adds to each row the share of samples within `NEAR` of the best at its target.

    A sample's best is the highest PSNR of any method at that target, without those that are not
    for use and those that take more than a step over the target.

    Args:
        table: the rows.
        psnrs: the PSNR in dB of each sample by its index, by method and target.
    """
    best: dict[tuple[int, int], float] = {}
    for row in table:
        if row.group not in UNUSABLE and row.steps <= row.target + 1 and row.psnr is not None:
            for index, db in psnrs[row.method, row.target].items():
                best[row.target, index] = max(db, best.get((row.target, index), 0.0))

    def completed(row: TableRow) -> TableRow:
        own = psnrs.get((row.method, row.target), {})
        near = [
            db >= best[key] - NEAR for i, db in own.items() if (key := (row.target, i)) in best
        ]
        if not near or not row.psnr_spread:
            return row
        return replace(row, psnr_spread=row.psnr_spread | {"near_best_share": _mean(near)})

    return [completed(row) for row in table]


def psnrs_of(samples: Iterable[SampleRow]) -> dict[int, float]:
    """Returns the PSNR to the reference run in dB of each sample, by its index."""
    return {sample.index: value_of(sample.metrics, PSNR) for sample in samples}


def psnr_shares(psnrs: Sequence[float]) -> dict[str, float]:
    """Returns ``median_db``, ``p10_db``, ``worst_db`` and ``flip_share`` of PSNRs in dB."""
    found = psnr_spread(psnrs)
    names = ("median_db", "p10_db", "worst_db")
    share = found["flips"] / len(psnrs)
    return {name: found[f"psnr_{name}"] for name in names} | {"flip_share": share}


def _spread(samples: Sequence[SampleRow]) -> dict[str, float]:
    """Returns how the PSNR is spread; empty if it was not measured."""
    if not any(PSNR in sample.metrics for sample in samples):
        return {}
    return psnr_shares(list(psnrs_of(samples).values()))


def value_of(metrics: Metrics, name: str) -> float:
    """Returns a metric for averaging: 0 if it is missing, `IDENTICAL` if it is infinite."""
    value = metrics.get(name, 0.0)
    return value if math.isfinite(value) else IDENTICAL


def _intervals(
    samples: Sequence[SampleRow], part: Callable[[SampleRow], Metrics]
) -> dict[str, Interval]:
    """Returns the mean and the interval of every metric, over the samples that have it.

    A failed sample has no output to measure; it counts as 0 dB in the PSNR and is left out of the
    other metrics.
    """
    measured = [part(sample) for sample in samples]
    names = dict.fromkeys(name for metrics in measured for name in metrics)
    return {
        name: bootstrap_mean([value_of(m, name) for m in measured if name in m or name == PSNR])
        for name in names
    }


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0
