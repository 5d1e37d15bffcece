"""Which steps are computed, and how the choice of skip lengths changes over the samples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fastflow.studies.figures.paper_style import GREYS, StudyFigure, draw_for_paper
from fastflow.studies.figures.series import chosen, how_chosen, quality_of
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.reading.study_run import COMPARED, StudyRun
from fastflow.studies.safe_text import for_figure

MOST_STRIPS = 30
LONGEST_STRIP = 200  # of a strip; longer ones are stored as pixels
MOST_STACKS = 4


def step_strips(section: StudySection, suffix: str) -> list[StudyFigure]:
    """Draws for every group the share of samples in which each step was computed.

    Args:
        section: the groups.
        suffix: ends the names of the files.
    """
    steps = max((group.first.steps for group in section.groups), default=0)
    groups = [g for g in section.groups if g.first.steps == steps and _on_grid(g)][:MOST_STRIPS]
    if steps < 2 or not groups:
        return []
    shares = np.stack([computed_shares(group.runs, steps) for group in groups])

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        image = ax.pcolormesh(shares, cmap=GREYS, vmin=0, vmax=1, edgecolor="white", linewidth=0.3)
        image.set_rasterized(steps > LONGEST_STRIP)
        ax.set_yticks(np.arange(len(groups)) + 0.5, [for_figure(g.label()) for g in groups])
        ax.invert_yaxis()
        ax.tick_params(length=0)
        ax.set_xlabel("time step (0 is noise)")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        scale = {"label": "share of samples", "aspect": 30, "pad": 0.02}
        figure.colorbar(image, ax=ax, format=PercentFormatter(1.0, symbol=" %"), **scale)

    hidden = len(section.groups) - len(groups)
    caption = (
        "Share of the samples, of all seeds, in which a step was computed: black in all, white in "
        "none." + (f" {hidden} more groups are not shown." if hidden else "")
    )
    height = 0.75 + max(0.13 * len(groups), 0.6)
    return [draw_for_paper(f"steps{suffix}", "Computed steps", caption, height, plot)]


def _on_grid(group: Group) -> bool:
    """Returns whether a group skips on the full grid: a solver has time grids of its own."""
    return not any(name.startswith("method.solver") for name in group.first.settings)


def computed_shares(runs: Sequence[StudyRun], steps: int) -> np.ndarray:
    """Returns the share of samples that computed each step, ``(T,)``."""
    counts, total = np.zeros(steps), 0
    for run in runs:
        for computed in run.computed:
            counts[[step for step in computed if step < steps]] += 1
            total += 1
    return counts / max(total, 1)


def arms_over_time(section: StudySection, suffix: str) -> list[StudyFigure]:
    """Draws how often each skip length is chosen, in stretches of the samples.

    Args:
        section: the groups.
        suffix: ends the names of the files.
    """
    quality = quality_of(section)
    if quality is None or section.kind == COMPARED:
        return []
    groups = [g for g in chosen(section, quality) if len(g.first.indices) >= 8][:MOST_STACKS]
    tables = [arm_shares(group.runs) for group in groups]
    lengths = sorted({length for table in tables for length in table})
    if not groups or len(lengths) < 2:
        return []

    def plot(figure: Figure) -> None:
        axes = np.atleast_1d(figure.subplots(len(groups), 1, sharex=True))
        for ax, group, table in zip(axes, groups, tables, strict=True):
            _stack(ax, table, lengths, len(group.first.indices))
            ax.set_title(for_figure(group.label(), 44))
        axes[-1].set_xlabel("sample")
        figure.supylabel("share of decisions", fontsize=7)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside upper left",
            ncols=6,
            title="skip length",
            title_fontsize=6.5,
            handlelength=1.4,
            columnspacing=1.0,
        )

    caption = (
        "Share of decisions for each skip length, over all seeds, in stretches of the samples. "
        "Decisions between a computed step and the next one, which skips nothing, have length 0."
        + how_chosen(section, groups)
    )
    height = 0.55 + 0.75 * len(groups)
    return [draw_for_paper(f"arms{suffix}", "Skip lengths over time", caption, height, plot)]


def arm_shares(runs: Sequence[StudyRun], stretches: int = 8) -> dict[int, np.ndarray]:
    """Returns the share of decisions for each skip length, in stretches of the samples.

    Args:
        runs: runs of the same length.
        stretches: into how many parts the samples are divided.

    Returns:
        ``(stretches,)`` for each skip length that occurs.
    """
    found: dict[int, np.ndarray] = {}
    for run in runs:
        count = len(run.computed)
        for i, computed in enumerate(run.computed):
            for a, b in pairwise(computed):
                row = found.setdefault(b - a - 1, np.zeros(stretches))
                row[i * stretches // count] += 1
    total = sum(found.values(), np.zeros(stretches))
    return {length: row / np.maximum(total, 1) for length, row in found.items()}


def _stack(ax: Axes, table: dict[int, np.ndarray], lengths: Sequence[int], samples: int) -> None:
    stretches = len(next(iter(table.values())))
    left = np.arange(stretches) * samples / stretches
    bottom = np.zeros(stretches)
    for i, length in enumerate(lengths):
        share = table.get(length, np.zeros(stretches))
        tone = colormaps["cividis_r"](i / max(len(lengths) - 1, 1))
        ax.bar(
            left,
            share,
            samples / stretches,
            bottom,
            align="edge",
            color=tone,
            label=str(length),
            edgecolor="white",
            linewidth=0.3,
        )
        bottom = bottom + share
    ax.set(ylim=(0, 1), xlim=(0, samples), yticks=(0, 0.5, 1))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    ax.tick_params(length=0)
