"""The table of a comparison: means with bootstrap intervals."""

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
IDENTICAL = 99.0  # dB; stands for the infinite PSNR of identical images


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
