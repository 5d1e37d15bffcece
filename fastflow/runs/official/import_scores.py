"""Official scores, taken from a scorer's files into the run that they are of."""

from __future__ import annotations

import json
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

Values = dict[str, dict[str, float]]  # by place


def take_scores(
    run: BenchmarkRun, files: Mapping[str, Path], replace: bool = False, partial: bool = False
) -> dict[str, Any]:
    """Writes scores into samples.jsonl, and summary.json and the report again.

    Args:
        run: the run.
        files: what the scorer wrote about ``skipped``, ``full`` or both.
        replace: whether values that the run has already give way, all those of a name at once.
        partial: whether samples may be left without a score.

    Returns:
        The table of official numbers.

    Raises:
        ValueError: if a file is damaged or foreign, or does not match the run; nothing is
            written then.
    """
    found = {side: _matched(run, side, path) for side, path in files.items()}
    if not partial:
        for side, path in files.items():
            _check_whole(run, side, path, found[side])
    names = {name for values in found.values() for own in values.values() for name in own}
    sides = list(found) if run.directory.official() else SIDES
    if not replace:
        _check_new(run, names, sides)
    scored = dict(run.places)
    for side in sides:
        for place, row in scored.items():
            kept = {name: v for name, v in row.metrics_of(side).items() if name not in names}
            scored[place] = row.with_metrics(side, kept | found.get(side, {}).get(place, {}))
    return _write(run, list(scored.values()))


def _matched(run: BenchmarkRun, side: str, path: Path) -> Values:
    """Returns the values by the places of the run that they are of."""
    if side not in run.sides:
        raise ValueError(f"the run has no {side} outputs, so `{side}` cannot be theirs.")
    found: Values = {}
    for score in run.benchmark.scores(path):
        place = _place(run, side, path, score)
        known = found.setdefault(place, {})
        if twice := sorted(known.keys() & score.values.keys()):
            raise ValueError(
                f"`{side}` {str(path)!r} has two results of {place!r} for `{twice[0]}`. Give the "
                "files of one evaluation."
            )
        if odd := [name for name, value in score.values.items() if not math.isfinite(value)]:
            raise ValueError(f"`{side}` {str(path)!r}: `{odd[0]}` of {place!r} is no number.")
        known.update(score.values)
    if not found:
        raise ValueError(f"`{side}` {str(path)!r} has no result in it.")
    return found


def _place(run: BenchmarkRun, side: str, path: Path, score: Score) -> str:
    """Returns the place that a scored file has in the run."""
    parts = score.file.replace("\\", "/").split("/")
    depth = 1 + next(iter(run.places)).count("/")
    place, folder = "/".join(parts[-depth:]), parts[-depth - 1] if len(parts) > depth else ""
    other = next(name for name in SIDES if name != side)
    if folder == other:
        raise ValueError(
            f"`{side}` {str(path)!r} is about {other} outputs: it names {score.file!r}. "
            f"Give it as {other}={path}"
        )
    if place not in run.places:
        raise ValueError(
            f"`{side}` {str(path)!r} does not match the run: it names {score.file!r}, and the run "
            f"has no {place!r}. Give the results of this run's export."
        )
    prompt = run.places[place].prompt
    if score.prompt and score.prompt.strip() != prompt.strip():
        raise ValueError(
            f"`{side}` {str(path)!r} does not match the run: {place!r} was scored against "
            f"{score.prompt!r}, and the run drew {prompt!r}."
        )
    return place


def _check_whole(run: BenchmarkRun, side: str, path: Path, found: Values) -> None:
    """Raises a ValueError if the scorer left samples out that it should have scored."""
    given = {name for values in found.values() for name in values}
    missing = [
        f"{place} ({', '.join(lacking)})"
        for place, row in run.places.items()
        if row.image_of(side)
        and (lacking := _lacking(run.benchmark.promised(row.item), given, found.get(place)))
    ]
    if missing:
        few = "; ".join(missing[:3]) + ("; ..." if len(missing) > 3 else "")
        raise ValueError(
            f"`{side}` {str(path)!r} lacks results of {len(missing)} of {len(run.places)} "
            f"samples: {few}. Score them too, or say partial=true to go without."
        )


def _check_new(run: BenchmarkRun, names: set[str], sides: Sequence[str]) -> None:
    """Raises a ValueError if the run has values of these names, be they official or its own."""
    for row in run.places.values():
        for side in sides:
            if twice := sorted(names & row.metrics_of(side).keys()):
                raise ValueError(
                    f"the run has `{twice[0]}` of {side} outputs already. Say replace=true to "
                    "take the new ones."
                )


def _lacking(
    promised: Sequence[str], given: set[str], values: Mapping[str, float] | None
) -> list[str]:
    return [name for name in promised if name in given and name not in (values or {})]


def _write(run: BenchmarkRun, scored: Sequence[SampleRow]) -> dict[str, Any]:
    before, new = run.directory.rows(), {row.index: row for row in scored}
    rows = [new.get(row.index, row) for row in before]
    found = benchmark_scores(run.name, run.benchmark, rows)
    if found is None:
        raise ValueError(f"none of these results counts in {run.name}: they are of other prompts.")
    summary = json.loads((run.path / "summary.json").read_text(encoding="utf-8"))
    outdated = summarise(before)
    others = {name: value for name, value in summary.items() if name not in outdated}
    run.directory.write_rows(rows)
    run.directory.write_json("summary.json", others | summarise(rows) | {"benchmark": found})
    write_report(run.path)
    return found
