"""All figures of a study, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastflow.studies.figures.decisions_drawn import arms_over_time, step_strips
from fastflow.studies.figures.learning_curves import learning_curves
from fastflow.studies.figures.paper_style import StudyFigure
from fastflow.studies.figures.regret import regret_curves
from fastflow.studies.figures.tradeoff import tradeoffs
from fastflow.studies.figures.value_map import value_maps
from fastflow.studies.grouping.section import StudySection

_DRAWN: Sequence[Callable[[StudySection, str], list[StudyFigure]]] = (
    tradeoffs,
    value_maps,
    learning_curves,
    step_strips,
    arms_over_time,
    regret_curves,
)


def draw_section(section: StudySection, suffix: str) -> list[StudyFigure]:
    """Returns the figures that a section has the data for.

    Args:
        section: the groups.
        suffix: ends the names of the files; empty in a study of one section.
    """
    return [figure for draw in _DRAWN for figure in draw(section, suffix)]
