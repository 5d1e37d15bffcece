"""The page of a study: tables and figures in one file, readable offline."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastflow.report.render import content_policy, style_sheet, template
from fastflow.studies.figures.paper_style import StudyFigure
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.reading.study_run import LeftOut
from fastflow.studies.safe_text import one_line
from fastflow.studies.tables.cells import (
    LEGEND,
    NumberCell,
    heads,
    number_cells,
    setting_cells,
    shown_measures,
)

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class SectionView:
    """A section as the page shows it.

    Args:
        section: the groups.
        figures: its figures.
    """

    section: StudySection
    figures: Sequence[StudyFigure]

    @property
    def heads(self) -> list[str]:
        """The heads of the columns of settings."""
        return heads(self.section)

    @property
    def measures(self) -> list[str]:
        """The heads of the columns of numbers."""
        return [measure.title for measure in shown_measures(self.section)]

    def settings(self, group: Group) -> list[str]:
        """Returns the settings of a group as text."""
        return [one_line(text) for text in setting_cells(group)]

    def numbers(self, group: Group) -> list[NumberCell]:
        """Returns the numbers of a group as text."""
        return list(number_cells(group, shown_measures(self.section)))


def render_study(views: Sequence[SectionView], left_out: Sequence[LeftOut], runs: int) -> str:
    """Returns a study's page as HTML.

    Args:
        views: the sections with their figures.
        left_out: what was not read.
        runs: how many runs were read.
    """
    groups = sum(len(view.section.groups) for view in views)
    return template(_HERE).render(
        views=views,
        left_out=left_out,
        title=f"{runs} run{'s' * (runs != 1)} in {groups} group{'s' * (groups != 1)}",
        legend=LEGEND,
        uri=_uri,
        css=style_sheet(),
        policy=content_policy(),
    )


def _uri(figure: StudyFigure) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(figure.svg).decode('ascii')}"
