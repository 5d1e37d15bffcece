"""Reads a run directory for a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastflow.errors import UserError
from fastflow.evaluation.measurement import SampleRow
from fastflow.sampling.foreign import (
    Count,
    StepNumber,
    check_inside,
    check_schema,
    parse_json,
    parse_yaml,
    read_bounded,
)
from fastflow.sampling.foreign.stored_summary import StoredSummary
from fastflow.sampling.storage import read_objects
from fastflow.studies.reading.study_run import (
    SAMPLED,
    SECONDS,
    SECONDS_FULL,
    Number,
    StudyRun,
    columns_of,
    settings_in,
)

EXPECTED = "a run directory"


class Unfinished(UserError):
    """Raised for a run that is not finished, or whose samples all failed."""


@dataclass(frozen=True)
class StoredNames:
    """States the names of the components in a stored configuration."""

    model: str
    policy: str | None = None
    benchmark: str | None = None


@dataclass(frozen=True)
class StoredConfig:
    """States what a study needs of a stored configuration."""

    names: StoredNames
    steps: StepNumber
    seed: Count = 0


def read_config(path: Path) -> dict[str, Any]:
    """Reads the configuration of a run or a comparison.

    Raises:
        ValueError: if there is none, or it is not one that `fastflow` wrote.
    """
    where = str(path / "config.yaml")
    content = parse_yaml(read_bounded(path / "config.yaml", where, EXPECTED), where)
    if not isinstance(content, dict):
        raise ValueError(f"{where} holds no settings. Give {EXPECTED}.")
    check_schema(StoredConfig, content, where)
    return content


def read_run(path: Path, name: str, swept: Sequence[str] = ()) -> StudyRun:
    """Reads a finished run; its images and records are not opened.

    Args:
        path: its directory.
        name: how the study names it.
        swept: the names of the settings that its sweep varied.

    Raises:
        Unfinished: if it has no summary yet, or one of fewer samples, or all samples failed.
        ValueError: naming the file, if one is missing or not what `fastflow sample` writes.
    """
    check_inside(path)
    config = read_config(path)
    file = path / "samples.jsonl"
    lines = list(read_objects(file, "", EXPECTED, on_cut=lambda _: None))
    rows = sorted((SampleRow.from_json(row, where) for where, row in lines), key=lambda r: r.index)
    _check_rows(rows, config["steps"], file)
    summary = _summary(path, len(rows))
    good = [row for row in rows if not row.failure]
    if not good:
        raise Unfinished(f"all {len(rows)} samples failed, the first one with: {rows[0].failure}")
    return StudyRun(
        name=name,
        path=path,
        kind=SAMPLED,
        settings=dict(settings_in(config)),
        swept=swept,
        seed=config.get("seed", 0),
        steps=config["steps"],
        indices=[row.index for row in good],
        prompts=units(good),
        columns=_columns(good),
        computed=[row.computed for row in good],
        failed=len(rows) - len(good),
        identical=sum(row.metrics.get("psnr_db") == float("inf") for row in good),
        learning=summary.get("learning_calls", 0.0),
        has_records=(path / "records.jsonl").is_file(),
    )


def units(rows: Sequence[SampleRow]) -> list[str]:
    """Returns what an interval resamples: each sample's prompt, or its number without prompts."""
    texts = [f"{row.task}: {row.prompt}" for row in rows]
    return texts if len(set(texts)) > 1 else [str(row.index) for row in rows]


def _columns(rows: Sequence[SampleRow]) -> dict[str, Any]:
    def lookup(number: Number) -> dict[int, float]:
        found = ((row.index, number(row)) for row in rows)
        return {index: value for index, value in found if value is not None}

    timed = {
        SECONDS: lambda row: row.seconds.denoise or None,
        SECONDS_FULL: lambda row: (row.seconds_full and row.seconds_full.denoise) or None,
    }
    return columns_of(rows, lookup, timed)


def _check_rows(rows: Sequence[SampleRow], steps: int, file: Path) -> None:
    """Raises a ValueError if there are no rows, or two of the same sample."""
    if not rows:
        raise Unfinished("it has no finished sample.")
    for row in rows:
        if row.computed and row.computed[-1] >= steps:
            raise ValueError(
                f"{file} sample {row.index} computed step {row.computed[-1]} of {steps}."
            )
    for a, b in pairwise(rows):
        if a.index == b.index:
            raise ValueError(f"{file} has sample {a.index} twice.")


def _summary(path: Path, count: int) -> Mapping[str, Any]:
    """Returns the summary of a finished run."""
    file = path / "summary.json"
    if not file.is_file():
        raise Unfinished(f"it is unfinished: {count} samples and no summary.json.")
    content = parse_json(read_bounded(file, str(file), EXPECTED), str(file))
    check_schema(StoredSummary, content, str(file))
    if content["samples"] != count:
        raise Unfinished(
            f"it is unfinished: summary.json counts {content['samples']} samples and "
            f"samples.jsonl has {count}."
        )
    return content
