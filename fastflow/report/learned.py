"""The arm statistics of a bandit per time step and arm, as a figure and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from fastflow.report.figures import Chart
from fastflow.report.html.style import COLOURS, bins, colour, draw, rectangles
from fastflow.report.load import RunContent


@dataclass(frozen=True)
class Arms:
    """The arm statistics of a bandit.

    Args:
        arms: the skip lengths ``(A,)``.
        count: the number of rewards per time step and arm ``(T, A)``.
        mean: the mean rewards ``(T, A)``; 0 where there are none.
    """

    arms: tuple[int, ...]
    count: np.ndarray
    mean: np.ndarray

    @property
    def best(self) -> list[int | None]:
        """The arm with the highest mean reward at each time step; None without rewards."""
        means = np.where(self.count > 0, self.mean, -np.inf)
        return [
            self.arms[int(np.argmax(row))] if np.isfinite(row).any() else None for row in means
        ]


def read_arms(memory: Mapping) -> Arms | None:
    """Returns the arm statistics in a memory; None if they are missing or damaged."""
    try:
        arms = tuple(int(arm) for arm in memory["arms"])
        count = np.asarray(memory["reward"]["count"], dtype=float)
        mean = np.asarray(memory["reward"]["mean"], dtype=float)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not (np.isfinite(count).all() and np.isfinite(mean).all() and (count >= 0).all()):
        return None
    if count.ndim != 2 or count.shape != mean.shape or count.shape[1] != len(arms):
        return None
    return Arms(arms, count, mean) if count.sum() > 0 else None


def arms(run: RunContent) -> Chart | None:
    """Draws mean reward and count per step and arm."""
    table = read_arms(run.memory)
    if table is None:
        return None
    cells = table.count > 0

    def plot(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        _panel(above, table, table.mean, cells, "mean reward", "{:.2g}")
        _panel(below, table, table.count, cells, "count", "{:.0f}")
        best = [(k, table.arms.index(m)) for k, m in enumerate(table.best) if m is not None]
        size = 4 if len(table.count) <= 120 else 1
        x, y = np.array(best).T + 0.5
        ink, ring = COLOURS["ink"], COLOURS["page"]
        above.plot(x, y, "o", color=ink, markersize=size, markeredgecolor=ring, mew=size / 5)
        below.set_xlabel("time step")

    rewards = int(table.count.sum())
    return Chart(
        "What the bandit learned",
        "Each cell is an arm (skip length) at a time step, coloured by its mean reward (top; a "
        "dot marks the best arm) and by its number of rewards (bottom); empty cells have none.",
        draw(
            "arms",
            f"Mean reward and count of {len(table.arms)} arms by step, from {rewards} rewards.",
            (9.6, 1.7 + 0.36 * len(table.arms)),
            plot,
        ),
        wide=True,
    )


def _panel(
    ax: Axes, table: Arms, values: np.ndarray, cells: np.ndarray, title: str, form: str
) -> None:
    """Draws one value per step and arm."""
    edges, texts = bins(values[cells].tolist(), form)
    levels = np.minimum(np.searchsorted(edges, values), len(edges) - 1)
    gap = 0.08 if len(values) <= 120 else 0.0
    for level in range(len(edges)):
        positions = np.argwhere(cells & (levels == level))
        boxes = [(k, a + 0.04, 1 - gap, 0.92) for k, a in positions]
        rectangles(ax, boxes, colour(level, len(edges)))
    ax.set(xlim=(0, len(values)), ylim=(0, len(table.arms)), ylabel="arm")
    ax.set_yticks([a + 0.5 for a in range(len(table.arms))], [str(m) for m in table.arms])
    ax.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    keys = [Patch(color=colour(i, len(edges)), label=text) for i, text in enumerate(texts)]
    ax.legend(
        handles=keys,
        title=title,
        title_fontsize=8,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        borderpad=0,
        labelspacing=0.25,
        alignment="left",
    )
