"""One run of a study: its settings, and the numbers of its samples as columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastflow.evaluation.measurement import SampleRow

SAMPLED, COMPARED = "run", "comparison"
CALLS, CALLS_FULL, SECONDS, SECONDS_FULL = "calls", "calls_full", "seconds", "seconds_full"
RMS = "rms"

Number = Callable[[SampleRow], float | None]
Lookup = Callable[[Number], Mapping[int, float]]  # a number of each sample, by its index


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A directory that is named on the page and counts in no mean.

    Args:
        name: how the page names it.
        why: what is wrong with it, in one sentence.
    """

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """A finished run, or one method of a comparison at one target with one seed.

    Args:
        name: how tables and the page name it: a path below a directory that was given.
        path: its directory.
        kind: `SAMPLED` or `COMPARED`.
        settings: its settings, nested ones with dots in their names; the seed is not among them.
        swept: the names of the settings that a sweep varied.
        seed: its seed.
        steps: the number T of time steps.
        indices: the numbers of its samples ``(n,)``, rising.
        prompts: the prompt of each sample ``(n,)``.
        columns: numbers of the samples by name, each ``(n,)``; NaN where there is none.
        computed: the computed steps of each sample.
        failed: the number of samples that failed.
        identical: the number of samples whose output is that of the reference run, bit for bit.
        learning: the network calls that learning took besides the samples'.
        has_records: whether its directory states every decision in records.jsonl.
        mark: why it is not what its name says, such as a target that was missed; then it is
            never the best. Empty if it is.
    """

    name: str
    path: Path
    kind: str
    settings: Mapping[str, Any]
    swept: Sequence[str] = ()
    seed: int = 0
    steps: int = 0
    indices: Sequence[int] = ()
    prompts: Sequence[str] = ()
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    computed: Sequence[Sequence[int]] = ()
    failed: int = 0
    identical: int = 0
    learning: float = 0.0
    has_records: bool = False
    mark: str = ""

    def mean(self, column: str) -> float | None:
        """Returns the mean of a column over the samples that have it; None without one."""
        values = self.columns.get(column)
        if values is None or np.isnan(values).all():
            return None
        return float(np.nanmean(values))

    def by_prompt(self, column: str) -> dict[str, float]:
        """Returns the mean of a column for each prompt, without prompts that have none."""
        values = self.columns.get(column)
        found: dict[str, list[float]] = {}
        if values is not None:
            for prompt, value in zip(self.prompts, values.tolist(), strict=True):
                if value == value:
                    found.setdefault(prompt, []).append(value)
        return {prompt: sum(own) / len(own) for prompt, own in found.items()}


def columns_of(
    samples: Sequence[SampleRow], lookup: Lookup, more: Mapping[str, Number]
) -> dict[str, np.ndarray]:
    """Returns the columns of samples, each ``(n,)``, with NaN for what is not finite.

    Args:
        samples: the samples' rows, in the order of their indices.
        lookup: returns a number of every sample that has it, by the sample's index.
        more: further numbers, by the names of their columns.
    """
    numbers: dict[str, Number] = {
        CALLS: lambda row: row.calls,
        CALLS_FULL: lambda row: row.calls_full,
        RMS: lambda row: row.rms,
        **more,
    }
    for name in dict.fromkeys(name for row in samples for name in row.metrics):
        numbers[name] = _metric(name)
    found = {name: lookup(number) for name, number in numbers.items()}
    order = [row.index for row in samples]
    return {name: _column(values, order) for name, values in found.items() if values}


def _metric(name: str) -> Number:
    return lambda row: row.metrics.get(name)


def _column(values: Mapping[int, float], order: Sequence[int]) -> np.ndarray:
    column = np.array([values.get(index, math.nan) for index in order], dtype=float)
    column[~(np.abs(column) < LARGEST_NUMBER)] = math.nan
    return column


LARGEST_NUMBER = 1e100  # squares of larger numbers, as a variance needs them, are infinite
IGNORED = ("seed", "seeds", "out", "resume", "force", "observers", "executor.progress")
IGNORED += ("workers", "pairs", "examples", "metrics")
_NAMES, _COMPONENT = "names.", ".component"


def settings_in(content: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the settings of a configuration that can change a result, by dotted names.

    A component is a setting named by its kind, such as ``policy`` or ``policy.reward``. The seed
    and what changes no number, such as ``out``, are left out.
    """
    for name, value in content.items():
        full = f"{within}{name}"
        if isinstance(value, Mapping):
            yield from settings_in(value, f"{full}.")
        elif full.startswith(_NAMES):
            yield full.removeprefix(_NAMES), value
        elif full.endswith(_COMPONENT):
            short = full.removesuffix(_COMPONENT)
            if "." in short:
                yield short, value
        elif full not in IGNORED and not full.startswith("metric."):
            yield full, tuple(map(str, value)) if isinstance(value, list) else value
