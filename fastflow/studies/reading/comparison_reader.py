"""Reads a comparison for a study: each method at each target, with each seed, is a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from fastflow.comparison.rows import ComparisonDirectory, MethodRow
from fastflow.comparison.table import ANCHOR, UNUSABLE, psnrs_of
from fastflow.comparison.tuning import CLOSE_ENOUGH
from fastflow.evaluation.summary import PSNR
from fastflow.sampling.foreign import check_schema, parse_json, read_bounded
from fastflow.studies.reading.run_reader import Unfinished, read_config, units
from fastflow.studies.reading.study_run import (
    COMPARED,
    SECONDS,
    SECONDS_FULL,
    LeftOut,
    StudyRun,
    columns_of,
    settings_in,
)

METHOD, TARGET = "method", "target"
_OF_ALL_METHODS = ("methods", "groups.", "on_request", "targets", "method.", "device", "max_batch")
ROW = "a comparison's row"


@dataclass(frozen=True)
class StoredComparison:
    """States what a study needs of a stored comparison's configuration besides `StoredConfig`."""

    targets: list[int]
    methods: list[str] | None = None
    groups: Mapping[str, list[str]] = field(default_factory=dict)
    method: Mapping[str, Any] = field(default_factory=dict)


def read_comparison(
    path: Path, name: str, swept: Sequence[str] = ()
) -> Iterator[StudyRun | LeftOut]:
    """Yields the rows of a comparison as runs, and what is missing or damaged in it.

    Args:
        path: its directory; those of its further seeds are inside.
        name: how the study names it.
        swept: the names of the settings that its sweep varied.

    Raises:
        ValueError: naming the file, if it is not a comparison.
    """
    main = ComparisonDirectory.existing(path)
    yield from _of_seed(main, name, swept)
    seeds = path / "seeds"
    for folder in sorted(seeds.iterdir()) if seeds.is_dir() else ():
        if (folder / "rows").is_dir():
            try:
                yield from _of_seed(
                    ComparisonDirectory(folder), f"{name}/seeds/{folder.name}", swept
                )
            except ValueError as error:
                yield LeftOut(name=f"{name}/seeds/{folder.name}", why=str(error))


def _of_seed(
    directory: ComparisonDirectory, name: str, swept: Sequence[str]
) -> Iterator[StudyRun | LeftOut]:
    config = read_config(directory.path)
    check_schema(StoredComparison, config, str(directory.path / "config.yaml"))
    files = sorted((directory.path / "rows").glob("*.json"))
    if not (directory.path / "references.json").is_file() or not files:
        raise Unfinished("it is unfinished: it has no rows yet, or no references.json.")
    branches = directory.references().branches
    found = set()
    for file in files:
        label = f"{name}/rows/{file.stem}"
        try:
            content = parse_json(read_bounded(file, str(file), ROW), str(file))
            row = MethodRow.from_json(content, str(file))
            found.add((row.method, row.target))
            yield _run(row, directory.path, label, config, branches, swept)
        except ValueError as error:
            yield LeftOut(name=label, why=str(error))
    asked = [(m, t) for m in config.get("methods") or () for t in config["targets"]]
    for method, target in asked:
        if (method, target) not in found:
            yield LeftOut(name=name, why=f"it has no row of {method} at {target} steps yet.")


def _run(
    row: MethodRow,
    path: Path,
    name: str,
    config: Mapping[str, Any],
    branches: float,
    swept: Sequence[str],
) -> StudyRun:
    """Returns a row as a run.

    Raises:
        Unfinished: if the row has no measurements.
    """
    samples = sorted(row.samples, key=lambda sample: sample.index)
    if row.failure or not samples:
        raise Unfinished(f"it failed: {row.failure or 'it has no samples'}")
    columns = columns_of(samples, row.values, {}) | _timed(row, len(samples))
    psnrs = psnrs_of(row)
    if any(PSNR in sample.metrics for sample in samples):
        columns[PSNR] = np.array([psnrs.get(sample.index, np.nan) for sample in samples])
    return StudyRun(
        name=name,
        path=path,
        kind=COMPARED,
        settings=_settings(row, config),
        swept=(METHOD, TARGET, *swept),
        seed=_seed(config),
        steps=config["steps"],
        indices=[sample.index for sample in samples],
        prompts=units(samples),
        columns=columns,
        computed=[sample.computed for sample in samples],
        failed=sum(bool(sample.failure) for sample in samples),
        learning=row.learned.get("calls", 0),
        mark=_mark(row, config, branches),
    )


def _seed(config: Mapping[str, Any]) -> int:
    """Returns the seed of a directory: the first one if its settings list several."""
    listed = config.get("seeds")
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, int) else config.get("seed", 0)


def _settings(row: MethodRow, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a row: its method with its parameters, its target, the model's."""
    common = {
        name: value
        for name, value in settings_in(config)
        if not name.startswith(_OF_ALL_METHODS) and name != METHOD
    }
    own = (config.get("method") or {}).get(row.method)
    own = settings_in(own, "") if isinstance(own, Mapping) else ()
    return {
        METHOD: row.method,
        TARGET: row.target,
        **common,
        **{f"{METHOD}.{name}": value for name, value in own if name != "component"},
    }


def _timed(row: MethodRow, count: int) -> dict[str, np.ndarray]:
    """Returns the median denoising times of single samples, the same for every sample."""
    if not row.pairs:
        return {}
    full, own = (median(times) for times in zip(*row.pairs, strict=True))
    return {SECONDS: np.full(count, own), SECONDS_FULL: np.full(count, full)}


def _mark(row: MethodRow, config: Mapping[str, Any], branches: float) -> str:
    """Returns why a row is never the best; empty if it may be."""
    groups = (config.get("groups") or {}).items()
    for group in (name for name, methods in groups if row.method in methods):
        if group in (ANCHOR, *UNUSABLE):
            return f"it is in the group {group}, which is not for use"
    calls = row.values(lambda sample: sample.calls)
    steps = fmean(calls.values()) / branches if branches and calls else 0.0
    if row.second is None and abs(steps - row.target) > CLOSE_ENOUGH:
        return f"missed its target: {steps:.1f} steps instead of {row.target}"
    return row.mark
