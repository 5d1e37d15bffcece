"""Rows in numbers: means with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from fastflow.comparison.comparison_settings import Plan
from fastflow.comparison.rows import Row
from fastflow.evaluation.bootstrap import Interval, bootstrap_mean

PSNR = "psnr_db"


WRONG = "wrong on purpose"  # the group of methods that a sound comparison puts last


NO_PEERS = ("ours", "oracle", WRONG)


@dataclass(frozen=True)
class TableRow:
    """A row of the table.

    Args:
        method: its name.
        group: the group it is shown in.
        target: the number of computed steps it was to take.
        steps: network calls in units of a computed step's, mean.
        calls: network calls, guidance branches counted, mean.
        reached: whether `steps` is within one of the target.
        knob: the parameter that was turned, and to what.
        closeness: by metric, mean and 95 % interval against the full run.
        reference: likewise against the converged run.
        scores: likewise of the task's scores.
        lost: likewise of the difference of scores to the full run's, paired.
        rms: the mean distance to the full run's latents.
        seconds: the median of the denoising time of one sample alone; None if not timed.
        speedup_wall: how many times faster than the full runs timed beside it: median, lowest,
            highest.
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
    reference: dict[str, Interval]
    scores: dict[str, Interval]
    lost: dict[str, Interval]
    rms: float | None
    seconds: float | None
    speedup_wall: Interval | None
    learned: dict[str, Any]
    peak: int | None
    failed: int
    failure: str = ""

    @property
    def psnr(self) -> float | None:
        """The mean PSNR to the full run."""
        return self.fidelity[PSNR][0] if PSNR in self.fidelity else None


@dataclass
class Liner:
    """Makes lines of rows."""

    plan: Plan
    references: dict[str, Any]

    def line(self, row: Row) -> TableRow:
        """Returns a row in numbers."""
        samples, branches = row.samples, self.references["branches"]
        calls = _mean(sample["calls"] for sample in samples)
        ratios = sorted(full / this for full, this in row.pairs if this > 0)
        return TableRow(
            method=row.method,
            group=self.plan.group_of(row.method),
            target=row.target,
            steps=calls / branches,
            calls=calls,
            reached=abs(calls / branches - row.target) <= 1,
            knob="" if row.value is None else f"{row.knob}={row.value:.4g}",
            fidelity=_intervals(samples, "fidelity"),
            reference=_intervals(samples, "reference"),
            scores=_intervals(samples, "scores"),
            lost=self._lost(samples),
            rms=_mean(s["rms"] for s in samples if s["rms"] is not None) if samples else None,
            seconds=median(this for _, this in row.pairs) if row.pairs else None,
            speedup_wall=(median(ratios), ratios[0], ratios[-1]) if ratios else None,
            learned=row.learned,
            peak=row.peak,
            failed=sum(bool(sample["failure"]) for sample in samples),
            failure=row.failure,
        )

    def _lost(self, samples: Sequence[dict[str, Any]]) -> dict[str, Interval]:
        """Returns the paired differences of the scores to the full run's."""
        full = {sample["index"]: sample["scores"] for sample in self.references["full"]}
        return {
            name: bootstrap_mean(
                [value_of(s["scores"], name) - full[s["index"]][name] for s in scored]
            )
            for name in _names(self.references["full"], "scores")
            if (scored := [s for s in samples if full[s["index"]].get(name) is not None])
        }


def _intervals(samples: Sequence[dict[str, Any]], part: str) -> dict[str, Interval]:
    """Returns mean and interval of every metric, over the samples it speaks of.

    A failed sample has no output to measure; it counts as 0 in the PSNR, and not in the others.
    """
    found = {}
    for name in _names(samples, part):
        counted = [s for s in samples if s[part].get(name) is not None or name == PSNR]
        found[name] = bootstrap_mean([value_of(s[part], name) for s in counted])
    return found


def _names(samples: Sequence[dict[str, Any]], part: str) -> list[str]:
    return list(dict.fromkeys(name for sample in samples for name in sample[part]))


def value_of(measured: dict[str, float | None], name: str) -> float:
    return measured.get(name) or 0.0


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0
