"""Learning curves: what changes from sample to sample, and how far seeds are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastflow.studies.figures.paper_style import COLUMN, StudyFigure, draw_for_paper, line_styles
from fastflow.studies.figures.series import chosen, how_chosen, quality_of
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.reading.study_run import CALLS, COMPARED, StudyRun
from fastflow.studies.safe_text import for_figure

WINDOW = 8  # samples of a running mean


def learning_curves(section: StudySection, suffix: str) -> list[StudyFigure]:
    """Draws calls and quality over the samples; nothing for comparisons, which learn before.

    Args:
        section: the groups.
        suffix: ends the names of the files.
    """
    quality = quality_of(section)
    if quality is None or section.kind == COMPARED:
        return []
    groups = [g for g in chosen(section, quality) if len(g.first.indices) >= 4]
    if not groups:
        return []
    panels = [(CALLS, "network calls"), (quality.column, quality.title)]

    def plot(figure: Figure) -> None:
        axes = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
        styles = line_styles([group.label() for group in groups])
        for ax, (column, label) in zip(axes, panels, strict=True):
            for group in groups:
                _curve(ax, group, column, styles[group.label()])
            ax.set_ylabel(label)
            ax.grid(axis="y")
        axes[-1].set_xlabel("sample")
        axes[-1].xaxis.set_major_locator(MaxNLocator(6, integer=True))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=_columns(labels))

    count = max(len(group.runs) for group in groups)
    spread = "; the band is from the lowest to the highest seed" if count > 1 else ""
    some = how_chosen(section, groups)
    caption = f"Running mean of {WINDOW} samples, averaged over seeds{spread}.{some}"
    height = COLUMN + 0.13 * -(-len(groups) // _columns([g.label() for g in groups]))
    return [draw_for_paper(f"learning{suffix}", "Learning curves", caption, height, plot)]


def _columns(labels: Sequence[str]) -> int:
    return 1 if any(len(label) > 18 for label in labels) else 2


def _curve(ax: Axes, group: Group, column: str, style: dict[str, Any]) -> None:
    curves = [curve for run in group.runs if (curve := running_mean(run, column)) is not None]
    if not curves:
        return
    length = min(map(len, curves))
    stacked = np.stack([curve[:length] for curve in curves])
    kept = ~np.isnan(stacked).all(axis=0)
    x, stacked = np.arange(length)[kept], stacked[:, kept]
    every = max(1, len(x) // 6)
    ax.plot(
        x, np.nanmean(stacked, axis=0), label=for_figure(group.label()), markevery=every, **style
    )
    if len(curves) > 1:
        low, high = np.nanmin(stacked, axis=0), np.nanmax(stacked, axis=0)
        ax.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)


def running_mean(run: StudyRun, column: str) -> np.ndarray | None:
    """Returns the mean over each sample and those before it, at most `WINDOW`, ``(n,)``.

    NaN where none of them has the number; None if the run has no such column.
    """
    values = run.columns.get(column)
    if values is None:
        return None
    found = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(found, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(found)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(0, end - WINDOW)
    number = counts[end] - counts[start]
    below = np.maximum(number, 1)
    return np.where(number > 0, (sums[end] - sums[start]) / below, np.nan)
