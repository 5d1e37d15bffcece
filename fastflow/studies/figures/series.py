"""Which groups a figure shows, and which of them it joins by a line."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from fastflow.evaluation.summary import PSNR
from fastflow.studies.grouping.differing import setting_text
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.grouping.study_measure import StudyMeasure

MOST_LINES = 6
_QUALITY = (PSNR, "ssim", "score", "lpips", "clip_score", "rms")


def quality_of(section: StudySection) -> StudyMeasure | None:
    """Returns the measure of quality that figures show; None if nothing was measured."""
    found = {measure.name: measure for measure in section.measures}
    return next((found[name] for name in _QUALITY if name in found), None)


def leading(section: StudySection) -> str:
    """Returns the setting whose values are the lines of a figure: the first one that is text."""
    for name in section.names:
        values = [group.first.settings.get(name) for group in section.groups]
        if all(isinstance(value, str) for value in values):
            return name
    return ""


def series_of(section: StudySection) -> dict[str, list[Group]]:
    """Returns the groups by the value of the leading setting."""
    name = leading(section)
    found: dict[str, list[Group]] = {}
    for group in section.groups:
        text = setting_text(group.first.settings, name) if name else section.title
        found.setdefault(text, []).append(group)
    return found


def joined(groups: Sequence[Group], lead: str) -> bool:
    """Returns whether a line through groups makes sense: one number alone tells them apart."""
    names = {n for group in groups for n in group.names if n != lead}
    varying = [n for n in names if len({repr(g.first.settings.get(n)) for g in groups}) > 1]
    return len(varying) == 1


def chosen(section: StudySection, measure: StudyMeasure) -> list[Group]:
    """Returns at most six groups: all, or of each series the one nearest to the median calls.

    Groups of a section may take very different numbers of calls; those that are shown together
    take about the same.
    """
    able = [group for group in section.groups if measure.name in group.estimates]
    if len(able) <= MOST_LINES:
        return able
    middle = median(map(_calls, able))
    nearest: list[Group] = []
    for own in series_of(section).values():
        if kept := [group for group in own if group in able]:
            nearest.append(min(kept, key=lambda group: abs(_calls(group) - middle)))
    return nearest[:MOST_LINES]


def how_chosen(section: StudySection, groups: Sequence[Group]) -> str:
    """Returns a sentence on which groups a figure shows; empty if it shows all."""
    if len(groups) == len(section.groups):
        return ""
    return " Of each series, the group is shown whose calls are nearest to the median of all."


def _calls(group: Group) -> float:
    found = group.estimates.get("calls")
    return found.mean if found else 0.0
