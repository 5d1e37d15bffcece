"""Rows in numbers: means with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.rows import MethodRow
from fastflow.evaluation.bootstrap import Interval, bootstrap_mean
from fastflow.evaluation.measurement import Metrics, SampleRow

PSNR = "psnr_db"
IDENTICAL = 99.0  # dB; what counts for identical images, whose PSNR is infinite


@dataclass(frozen=True)
class TableRow:
    """A row of the table.

    Args:
        method: its name.
        group: the group it is shown in.
        target: the number of computed steps it was to take.
        steps: network calls in units of a computed step's, mean.
        calls: network calls (NFE, guidance branches counted), mean.
        reached: whether `steps` is within one of the target.
        knob: the parameter that was turned, and to what.
        fidelity: by metric, mean and 95 % interval against the reference run.
        converged: likewise against the converged run.
        scores: likewise of the task's scores.
        score_change: likewise of the difference of scores to the reference run's, paired.
        rms: the mean distance to the reference run's latents.
        seconds: the median of the denoising time of one sample alone; None if not timed.
        speedup_wall: how many times faster than the reference runs it was timed with: median,
            lowest, highest.
        learned: samples and calls spent before, and facts.
        peak: bytes.
        failed: how many samples failed.
        failure: why there are no numbers.
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
    peak: int | None
    failed: int
    failure: str = ""

    @property
    def psnr(self) -> float | None:
        """The mean PSNR to the reference run."""
        return self.fidelity[PSNR][0] if PSNR in self.fidelity else None


@dataclass
class RowReader:
    """Turns rows into numbers.

    Args:
        settings: the comparison's settings.
        branches: network calls of one computed step.
        references: the rows of the reference runs, by the samples' indices.
    """

    settings: ComparisonSettings
    branches: float
    references: Mapping[int, SampleRow]

    def read(self, row: MethodRow) -> TableRow:
        """Returns a row in numbers."""
        samples, branches = row.samples, self.branches
        calls = _mean(sample.calls for sample in samples)
        ratios = sorted(full / this for full, this in row.pairs if this > 0)
        rms = [sample.rms for sample in samples if sample.rms is not None]
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
            seconds=median(this for _, this in row.pairs) if row.pairs else None,
            speedup_wall=(median(ratios), ratios[0], ratios[-1]) if ratios else None,
            learned=row.learned,
            peak=row.peak,
            failed=sum(bool(sample.failure) for sample in samples),
            failure=row.failure,
        )

    def _is_score(self, name: str) -> bool:
        """Says whether a metric is of the output alone: then reference runs have it too."""
        return any(name in row.metrics_of("full") for row in self.references.values())

    def _scores(self, sample: SampleRow) -> Metrics:
        return {name: v for name, v in sample.metrics.items() if self._is_score(name)}

    def _fidelity(self, sample: SampleRow) -> Metrics:
        return {name: v for name, v in sample.metrics.items() if not self._is_score(name)}

    def _score_change(self, samples: Sequence[SampleRow]) -> dict[str, Interval]:
        """Returns the paired differences of the scores to the reference run's."""
        full = {index: row.metrics_of("full") for index, row in self.references.items()}
        names = dict.fromkeys(name for scores in full.values() for name in scores)
        return {
            name: bootstrap_mean([value_of(s.metrics, name) - full[s.index][name] for s in scored])
            for name in names
            if (scored := [s for s in samples if name in full[s.index]])
        }


def value_of(metrics: Metrics, name: str) -> float:
    """Returns a metric for averaging: 0 where it is missing, `IDENTICAL` where it is infinite."""
    value = metrics.get(name, 0.0)
    return value if math.isfinite(value) else IDENTICAL


def _intervals(
    samples: Sequence[SampleRow], part: Callable[[SampleRow], Metrics]
) -> dict[str, Interval]:
    """Returns mean and interval of every metric, over the samples that have it.

    A failed sample has no output to measure; it counts as 0 in the PSNR, and not in the others.
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
