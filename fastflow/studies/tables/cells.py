"""Numbers of a table as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastflow.studies.grouping.differing import setting_text, short_name
from fastflow.studies.grouping.group import Estimate, Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.grouping.study_measure import StudyMeasure, common
from fastflow.studies.safe_text import one_line

_MINUS = "\N{MINUS SIGN}"
LEGEND = (
    "Each number is the mean over prompts and seeds. In brackets: the 95 % interval over prompts "
    "(bootstrap, the seeds as they are). After ±: half of the 95 % interval over seeds (Student's "
    "t of the seeds' means). Bold: the best of the groups with the same number of steps and the "
    "same target, and those that the 95 % interval of the paired difference, over common prompts "
    "and seeds, does not tell from it."
)


@dataclass(frozen=True)
class NumberCell:
    """A number of a group as text.

    Args:
        mean: the mean.
        prompts: the ends of the interval over prompts; empty without one.
        seeds: half of the interval over seeds; empty without one.
        best: whether it is shown in bold.
    """

    mean: str
    prompts: str = ""
    seeds: str = ""
    best: bool = False


def heads(section: StudySection) -> list[str]:
    """Returns the names of the columns that state settings."""
    return [one_line(short_name(name, section.names)) for name in section.names]


def setting_cells(group: Group) -> list[str]:
    """Returns a group's settings as text."""
    return [setting_text(group.first.settings, name) for name in group.names]


def number_cells(group: Group, measures: Sequence[StudyMeasure]) -> Iterator[NumberCell]:
    """Yields a group's numbers as text; an en dash for one that was not measured."""
    for measure in measures:
        found = group.estimates.get(measure.name)
        yield NumberCell("\N{EN DASH}") if found is None else _cell(found, measure.digits)


def shown_measures(section: StudySection) -> list[StudyMeasure]:
    """Returns the measures that have a column in the tables to read."""
    return common(section.measures)


def _cell(found: Estimate, digits: int) -> NumberCell:
    def text(value: float) -> str:
        return f"{value:.{digits}f}".replace("-", _MINUS)

    prompts = f"{text(found.prompts[0])}, {text(found.prompts[1])}" if found.prompts else ""
    seeds = text(found.seeds[1] - found.mean) if found.seeds else ""
    return NumberCell(text(found.mean), prompts, seeds, found.best)
