"""A study as CSV: a line for each group, and a line for each run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fastflow.studies.grouping.differing import setting_text
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.reading.study_run import StudyRun
from fastflow.studies.safe_text import for_csv


def groups_csv(sections: Sequence[StudySection]) -> str:
    """Returns a line for each group, with both intervals of every measure."""
    return _as_csv(_group(section, group) for section in sections for group in section.groups)


def runs_csv(sections: Sequence[StudySection]) -> str:
    """Returns a line for each run, with every setting that differs and the means."""
    return _as_csv(
        _run(section, run)
        for section in sections
        for group in section.groups
        for run in group.runs
    )


def _group(section: StudySection, group: Group) -> dict[str, Any]:
    line = _common(section, group.first)
    line["seeds"] = " ".join(map(str, group.seeds))
    line |= {name: group.total(name) for name in ("failed", "identical", "learning")}
    line["samples"] = sum(len(run.indices) for run in group.runs)
    line["mark"] = group.mark
    for name, found in group.estimates.items():
        line |= dict(_bounds(name, found.mean, found.prompts, found.seeds))
        line[f"{name}.best"] = int(found.best)
    return line


def _bounds(
    name: str, mean: float, prompts: Sequence[float] | None, seeds: Sequence[float] | None
) -> Iterator[tuple[str, float | None]]:
    yield name, mean
    for kind, ends in (("prompts", prompts), ("seeds", seeds)):
        low, high = ends or (None, None)
        yield from ((f"{name}.{kind}.low", low), (f"{name}.{kind}.high", high))


def _run(section: StudySection, run: StudyRun) -> dict[str, Any]:
    line = _common(section, run) | {"run": run.name, "seed": run.seed}
    line |= {"samples": len(run.indices), "failed": run.failed, "identical": run.identical}
    return line | {name: run.mean(name) for name in run.columns}


def _common(section: StudySection, run: StudyRun) -> dict[str, Any]:
    """Returns the part of a line that states the settings, numbers as numbers."""
    line: dict[str, Any] = {"section": section.title, "steps": run.steps}
    for name in section.all_names:
        value = run.settings.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        text = setting_text(run.settings, name) if name in run.settings else ""
        line[name] = value if is_number else text
    return line


def _as_csv(lines: Iterable[Mapping[str, Any]]) -> str:
    rows = [{for_csv(name): for_csv(value) for name, value in line.items()} for line in lines]
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
