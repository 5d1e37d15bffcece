"""What the page takes from a stored summary: all that does not follow from the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fastflow.sampling.foreign.schema import Count, Finite, NotNegative, StepNumber

_Interval = tuple[Finite, Finite, Finite]  # a value and its 95 % interval


@dataclass(frozen=True)
class StoredScore:
    """States a row of a benchmark's table (`benchmark_scores`)."""

    name: str
    total: bool
    samples: Count
    full: _Interval | None = None
    skipped: _Interval | None = None
    difference: _Interval | None = None


@dataclass(frozen=True)
class StoredScores:
    """States a benchmark's table."""

    name: str
    rows: list[StoredScore]


@dataclass(frozen=True)
class StoredSummary:
    """States the entries of summary.json that are not computed from samples.jsonl."""

    samples: Count
    steps: StepNumber | None = None
    model: str | None = None
    policy: str | None = None
    extrapolator: str | None = None
    corrector: str | None = None
    left_out: list[str] | None = None
    warnings: list[str] | None = None
    learning_calls: NotNegative | None = None
    learning_runs: NotNegative | None = None
    benchmark: StoredScores | None = None

    @staticmethod
    def entries(written: Mapping[str, Any]) -> dict[str, Any]:
        """Returns these entries of a written summary."""
        names = [f.name for f in fields(StoredSummary)]
        return {name: written[name] for name in names if written.get(name) is not None}
