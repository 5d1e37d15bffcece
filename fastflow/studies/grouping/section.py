"""A part of a study whose numbers can be compared: one model, one kind of run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fastflow.studies.grouping.differing import differing, settings_key, table_columns
from fastflow.studies.grouping.estimating import estimate
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.study_measure import StudyMeasure, measures_of
from fastflow.studies.reading.study_run import COMPARED, StudyRun
from fastflow.studies.safe_text import one_line

EVEN = 0.05  # groups whose mean calls differ by a larger share are not at equal calls


@dataclass(frozen=True, kw_only=True)
class StudySection:
    """The groups of one model, and of one benchmark if they have one.

    Args:
        title: the model and the kind of runs.
        kind: `SAMPLED` or `COMPARED`.
        names: the settings that tell the groups apart: the columns of the table.
        swept: those of them that a sweep varied.
        all_names: every setting in which its runs differ.
        groups: the groups, those that share a contest next to each other.
        measures: what they were measured by.
    """

    title: str
    kind: str
    names: Sequence[str]
    swept: Sequence[str]
    all_names: Sequence[str]
    groups: Sequence[Group]
    measures: Sequence[StudyMeasure]

    @property
    def contests(self) -> list[list[Group]]:
        """The groups that are ranked with one another."""
        found: dict[object, list[Group]] = {}
        for group in self.groups:
            found.setdefault(group.contest, []).append(group)
        return list(found.values())

    def notes(self) -> Iterator[str]:
        """Yields what has to be known to read its numbers."""
        if any(_is_uneven(contest) for contest in self.contests):
            yield (
                "The groups take different numbers of calls: read quality together with calls, "
                "in the figure of quality against calls."
            )
        if self.kind != COMPARED and any(_share_noise(group) for group in self.groups):
            yield (
                "The noise of sample i has the run's seed plus i, so seeds closer together than "
                "the number of samples share noise, and intervals over seeds may be too narrow."
            )
        if identical := sum(int(group.total("identical")) for group in self.groups):
            yield (
                f"{identical} outputs are identical to their reference runs, as those of a "
                "policy's first sample are: their PSNR is infinite and is left out of the means."
            )
        if failed := sum(int(group.total("failed")) for group in self.groups):
            counts = "count as 0 dB in the PSNR" if self.kind == COMPARED else "are left out"
            yield f"{failed} samples failed; they {counts}."
        for group in self.groups:
            if group.mark:
                yield f"{group.label()} is marked and never in bold: {group.mark}."


def sections_of(runs: Sequence[StudyRun]) -> list[StudySection]:
    """Returns runs as sections, with means, intervals and the best groups."""
    found: dict[tuple[object, ...], list[StudyRun]] = {}
    for run in runs:
        key = (run.kind, run.settings.get("model"), run.settings.get("benchmark"))
        found.setdefault(key, []).append(run)
    return [_section(key, own) for key, own in found.items()]


def _section(key: tuple[object, ...], runs: Sequence[StudyRun]) -> StudySection:
    kind, model, benchmark = key
    every = differing(runs)
    names = table_columns(runs, every)
    grouped: dict[tuple[str, ...], list[StudyRun]] = {}
    for run in runs:
        grouped.setdefault(settings_key(run, every), []).append(run)
    groups = [Group(runs=own, names=names) for own in grouped.values()]
    groups.sort(key=lambda group: (-group.first.steps, -group.target))
    measures = measures_of(runs)
    swept = {name for run in runs for name in run.swept}
    parts = (model, benchmark, "comparison" if kind == COMPARED else None)
    return StudySection(
        title=one_line(", ".join(str(part) for part in parts if part)),
        kind=str(kind),
        names=names,
        swept=[name for name in names if name in swept],
        all_names=every,
        groups=estimate(groups, measures),
        measures=measures,
    )


def _is_uneven(groups: Sequence[Group]) -> bool:
    calls = [group.estimates["calls"].mean for group in groups if "calls" in group.estimates]
    return bool(calls) and max(calls) > (1 + EVEN) * min(calls)


def _share_noise(group: Group) -> bool:
    longest = max((len(run.indices) for run in group.runs), default=0)
    return any(b - a < longest for a, b in pairwise(sorted(group.seeds)))
