"""Adds official scores, from the files of a benchmark's scorer, to the run that they score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastflow.evaluation.benchmark import Score
from fastflow.evaluation.benchmark_scores import benchmark_scores
from fastflow.evaluation.measurement import SIDES, SampleRow
from fastflow.evaluation.summary import summarise
from fastflow.report import write_report
from fastflow.runs.official.benchmark_run import BenchmarkRun
from fastflow.sampling.storage import read_object, writing

REPLACE = "make room, then repeat the command with replace=true."  # rows are written first
Values = dict[str, dict[str, float]]  # named numbers, by place (the sample's file)


def take_scores(
    run: BenchmarkRun, files: Mapping[str, Path], replace: bool = False, partial: bool = False
) -> dict[str, Any]:
    """Writes scores into samples.jsonl, and updates summary.json and the report.

    Args:
        run: the run.
        files: the scorer's file for ``skipped``, ``full`` or both.
        replace: whether earlier scores of the same names are replaced, on all samples at once.
        partial: whether samples may be left without a score.

    Returns:
        The table of official scores.

    Raises:
        ValueError: if a file is damaged, has another format, or does not match the run; nothing
            is written then.
    """
    matched = {side: _matched(run, side, path) for side, path in files.items()}
    if not partial:
        for side, path in files.items():
            _check_whole(run, side, path, matched[side])
    names = {name for values in matched.values() for own in values.values() for name in own}
    sides = list(matched) if run.directory.official() else SIDES
    if not replace:
        _check_new(run, names, sides)
    scored = dict(run.places)
    for side in sides:
        for place, row in scored.items():
            kept = {name: v for name, v in row.metrics_of(side).items() if name not in names}
            scored[place] = row.with_metrics(side, kept | matched.get(side, {}).get(place, {}))
    return _write(run, list(scored.values()))


def _matched(run: BenchmarkRun, side: str, path: Path) -> Values:
    """Returns the values of a scorer's file, by the places of the run that they belong to."""
    if side not in run.sides:
        raise ValueError(
            f"`{side}` {str(path)!r} cannot belong to this run: it has no {side} outputs."
        )
    matched: Values = {}
    for score in run.benchmark.scores(path):
        place = _place(run, side, path, score)
        values = matched.setdefault(place, {})
        if twice := sorted(values.keys() & score.values.keys()):
            raise ValueError(
                f"`{side}` {str(path)!r} has two results for `{twice[0]}` of {place!r}. Give the "
                "files of one evaluation."
            )
        if odd := [name for name, value in score.values.items() if not math.isfinite(value)]:
            raise ValueError(f"`{side}` {str(path)!r}: `{odd[0]}` of {place!r} is not finite.")
        values.update(score.values)
    if not matched:
        raise ValueError(f"`{side}` {str(path)!r} has no results.")
    return matched


def _place(run: BenchmarkRun, side: str, path: Path, score: Score) -> str:
    """Returns the place in the run of a file that was scored."""
    parts = score.file.replace("\\", "/").split("/")
    depth = 1 + next(iter(run.places)).count("/")
    place, folder = "/".join(parts[-depth:]), parts[-depth - 1] if len(parts) > depth else ""
    other = next(name for name in SIDES if name != side)
    if folder == other:
        raise ValueError(
            f"`{side}` {str(path)!r} scores the {other} outputs: it names {score.file!r}. "
            f"Pass it as {other}={path}"
        )
    if place not in run.places:
        raise ValueError(
            f"`{side}` {str(path)!r} does not match the run: it names {score.file!r}, but the run "
            f"has no {place!r}. Give the results of this run's export."
        )
    prompt = run.places[place].prompt
    if score.prompt and score.prompt.strip() != prompt.strip():
        raise ValueError(
            f"`{side}` {str(path)!r} does not match the run: {place!r} was scored against "
            f"{score.prompt!r}, but its prompt in the run is {prompt!r}."
        )
    return place


def _check_whole(run: BenchmarkRun, side: str, path: Path, matched: Values) -> None:
    """Raises a ValueError if scores of samples are missing that the scorer should have given."""
    names = {name for own in matched.values() for name in own}
    missing = [
        f"{place} ({', '.join(lacking)})"
        for place, row in run.places.items()
        if row.image_of(side)
        and (lacking := _lacking(run.benchmark.promised(row.item), names, matched.get(place)))
    ]
    if missing:
        few = "; ".join(missing[:3]) + ("; ..." if len(missing) > 3 else "")
        raise ValueError(
            f"`{side}` {str(path)!r} lacks results of {len(missing)} of {len(run.places)} "
            f"samples: {few}. Score them too, or pass partial=true to do without."
        )


def _check_new(run: BenchmarkRun, names: set[str], sides: Sequence[str]) -> None:
    """Raises a ValueError if the run has values of these names already, official or its own."""
    for row in run.places.values():
        for side in sides:
            if twice := sorted(names & row.metrics_of(side).keys()):
                raise ValueError(
                    f"the run has `{twice[0]}` of the {side} outputs already. Pass replace=true "
                    "to replace it."
                )


def _lacking(
    promised: Sequence[str], names: set[str], values: Mapping[str, float] | None
) -> list[str]:
    return [name for name in promised if name in names and name not in (values or {})]


def _write(run: BenchmarkRun, scored: Sequence[SampleRow]) -> dict[str, Any]:
    before, new = run.directory.rows(), {row.index: row for row in scored}
    rows = [new.get(row.index, row) for row in before]
    table = benchmark_scores(run.name, run.benchmark, rows)
    if table is None:
        raise ValueError(f"none of these results counts in {run.name}: their prompts are others.")
    summary = read_object(run.path / "summary.json")
    outdated = summarise(before)
    others = {name: value for name, value in summary.items() if name not in outdated}
    run.directory.write_rows(rows)
    content = others | summarise(rows) | {"benchmark": table}
    run.directory.write_json("summary.json", content, REPLACE)
    with writing(run.path / "report.html", again=REPLACE):
        write_report(run.path)
    return table
