"""A heat map over the two settings with the most values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from fastflow.studies.figures.paper_style import COLUMN, MAP, StudyFigure, draw_for_paper
from fastflow.studies.figures.series import quality_of
from fastflow.studies.grouping.differing import setting_text, short_name
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.grouping.study_measure import StudyMeasure
from fastflow.studies.safe_text import for_figure

MOST_MAPS = 4
MOST_CELLS = 12  # along a side


def value_maps(section: StudySection, suffix: str) -> list[StudyFigure]:
    """Draws the quality of a grid of two settings; further settings have a panel for each value.

    Args:
        section: the groups.
        suffix: ends the names of the files.
    """
    quality, axes = quality_of(section), axes_of(section)
    if quality is None or axes is None:
        return []
    down, along = axes
    able = [group for group in section.groups if quality.name in group.estimates]
    rest = [name for name in section.names if name not in axes]
    panels: dict[str, list[Group]] = {}
    for group in able:
        panels.setdefault(group.label(rest) if rest else "", []).append(group)
    shown = dict(list(panels.items())[:MOST_MAPS])
    if not shown:
        return []
    rows, columns = (_values(able, name) for name in axes)
    means = [group.estimates[quality.name].mean for own in shown.values() for group in own]

    def plot(figure: Figure) -> None:
        found = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
        images = []
        for ax, (title, own) in zip(found, shown.items(), strict=True):
            images += _panel(ax, own, quality, axes, (rows, columns), (min(means), max(means)))
            ax.set_title(for_figure(title, 40))
            ax.set_ylabel(for_figure(short_name(down, section.names)))
        found[-1].set_xlabel(for_figure(short_name(along, section.names)))
        figure.colorbar(images[0], ax=list(found), label=quality.title, aspect=30, pad=0.02)

    caption = f"Mean {quality.short}; below it in each cell, the mean network calls."
    height = (0.75 + 0.3 * len(rows)) * len(shown) + 0.25
    title = f"{quality.short} over two settings"
    return [draw_for_paper(f"map{suffix}", title, caption, max(height, 0.5 * COLUMN), plot)]


def axes_of(section: StudySection) -> tuple[str, str] | None:
    """Returns the settings of the vertical and the horizontal axis; None if there is no grid.

    Swept settings come before others, and those with more values before those with fewer. A grid
    has two values or more on each side, and more than half of its cells.
    """
    able = [n for n in section.names if 2 <= len(_values(section.groups, n)) <= MOST_CELLS]
    able.sort(key=lambda n: (n not in section.swept, -len(_values(section.groups, n))))
    if len(able) < 2:
        return None
    along, down = able[:2]
    if isinstance(section.groups[0].first.settings.get(along), str):  # long names, in lines
        along, down = down, along
    cells = {_place(group, (down, along)) for group in section.groups}
    full = len(_values(section.groups, along)) * len(_values(section.groups, down))
    return (down, along) if len(cells) > full / 2 else None


def _values(groups: Sequence[Group], name: str) -> list[str]:
    """Returns the values of a setting as text, numbers in their order."""
    found: dict[str, Any] = {
        setting_text(g.first.settings, name): g.first.settings.get(name) for g in groups
    }
    is_number = [isinstance(v, int | float) and not isinstance(v, bool) for v in found.values()]
    return sorted(found, key=lambda text: found[text]) if all(is_number) else [*found]


def _place(group: Group, axes: tuple[str, str]) -> tuple[str, ...]:
    return tuple(setting_text(group.first.settings, name) for name in axes)


def _panel(
    ax: Axes,
    groups: Sequence[Group],
    quality: StudyMeasure,
    axes: tuple[str, str],
    values: tuple[list[str], list[str]],
    limits: tuple[float, float],
) -> list[AxesImage]:
    """Fills the cells of one panel, and returns the image for the scale."""
    rows, columns = values
    grid = np.full((len(rows), len(columns)), np.nan)
    image = ax.imshow(grid, cmap=MAP, vmin=limits[0], vmax=limits[1], aspect="auto")
    for group in groups:
        down, along = _place(group, axes)
        i, j = rows.index(down), columns.index(along)
        grid[i, j] = mean = group.estimates[quality.name].mean
        dark = mean < (limits[0] + limits[1]) / 2
        ax.text(j, i, _text(group, quality), color="white" if dark else "black", **_CENTRE)
    image.set_data(grid)
    ax.set_xticks(range(len(columns)), [for_figure(text, 12) for text in columns])
    ax.set_yticks(range(len(rows)), [for_figure(text, 16) for text in rows])
    ax.tick_params(length=0)
    return [image]


_CENTRE = {"ha": "center", "va": "center", "fontsize": 6}


def _text(group: Group, quality: StudyMeasure) -> str:
    mean = f"{group.estimates[quality.name].mean:.{min(quality.digits, 3)}g}"
    if quality.digits == 2:
        mean = f"{group.estimates[quality.name].mean:.1f}"
    calls = group.estimates.get("calls")
    return f"{mean}\n({calls.mean:.1f})" if calls else mean
