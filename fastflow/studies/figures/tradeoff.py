"""Quality against what it costs: network calls, or seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastflow.studies.figures.paper_style import COLUMN, StudyFigure, draw_for_paper, line_styles
from fastflow.studies.figures.series import joined, leading, quality_of, series_of
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.grouping.study_measure import StudyMeasure
from fastflow.studies.safe_text import for_figure

_COSTS = (
    ("calls", "network calls per sample", "Quality against calls"),
    ("seconds", "denoising time per sample, s", "Quality against time"),
)
MOST_SERIES = 14


def tradeoffs(section: StudySection, suffix: str) -> list[StudyFigure]:
    """Draws the quality of every group over its calls, and over its time.

    Args:
        section: the groups.
        suffix: ends the names of the files.
    """
    quality = quality_of(section)
    if quality is None:
        return []
    drawn = (_tradeoff(section, quality, *cost, suffix) for cost in _COSTS)
    return [figure for figure in drawn if figure is not None]


def _tradeoff(
    section: StudySection, quality: StudyMeasure, cost: str, label: str, title: str, suffix: str
) -> StudyFigure | None:
    lead = leading(section)
    able = {
        name: kept
        for name, groups in series_of(section).items()
        if (kept := [g for g in groups if {cost, quality.name} <= g.estimates.keys()])
    }
    if not able or sum(map(len, able.values())) < 2:
        return None
    shown = dict(list(able.items())[:MOST_SERIES])
    rows = -(-len(shown) // 2)

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        for name, style in line_styles(list(shown)).items():
            _series(ax, for_figure(name), shown[name], cost, quality, style, lead)
        ax.set(xlabel=label, ylabel=quality.title)
        ax.grid(axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(6))
        figure.legend(loc="outside upper left", ncols=2)

    hidden = len(able) - len(shown)
    caption = (
        f"Mean {quality.short} of each group with its 95 % interval over prompts. "
        "Hollow: groups that are marked."
        + (f" {hidden} more series are in study.csv." if hidden else "")
    )
    name = f"quality-{'calls' if cost == 'calls' else 'time'}{suffix}"
    return draw_for_paper(name, title, caption, 0.62 * COLUMN + 0.13 * rows, plot)


def _series(
    ax: Axes,
    label: str,
    groups: Sequence[Group],
    cost: str,
    quality: StudyMeasure,
    style: dict[str, Any],
    lead: str,
) -> None:
    """Plots the groups of one series, joined by a line if one number tells them apart."""
    ordered = sorted(groups, key=lambda group: group.estimates[cost].mean)
    x = [group.estimates[cost].mean for group in ordered]
    found = [group.estimates[quality.name] for group in ordered]
    y = [one.mean for one in found]
    low, high = np.array([one.prompts or (one.mean, one.mean) for one in found]).T
    line: dict[str, Any] = style if joined(groups, lead) else style | {"linestyle": ""}
    ax.plot(x, y, label=label, **line)
    ax.vlines(x, low, high, color=style["color"], linewidth=0.7)
    marked = [i for i, group in enumerate(ordered) if group.mark]
    hollow: dict[str, Any] = style | {"linestyle": "", "markerfacecolor": "white"}
    ax.plot([x[i] for i in marked], [y[i] for i in marked], **hollow)
