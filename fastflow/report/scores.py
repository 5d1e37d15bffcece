"""The effect of skipping on scores and time: figures, and the numbers in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fastflow.report.figures import HALF, Chart
from fastflow.report.html.style import COLOURS, LEVELS, draw
from fastflow.report.key_figures import between, format_number
from fastflow.report.load import RunContent

PARTS = ("encode", "denoise", "decode")


def tasks(run: RunContent) -> Chart | None:
    """Draws the mean score per task, of reference runs and with skipping."""
    names = sorted({entry.task for entry in run.good if entry.score is not None})
    if not names:
        return None
    scores = [task_scores(run, name) for name in names]

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        for i, (reference, skip, _) in enumerate(scores):
            if reference is not None:
                ax.plot([reference, skip], [i, i], color=COLOURS["line"], linewidth=2, zorder=1)
                ring = {"color": COLOURS["reference"], "markersize": 8, "fillstyle": "none"}
                ax.plot(reference, i, "o", **ring, mew=1.4)
            ax.plot(skip, i, "o", color=COLOURS["skip"], markersize=5)
        ring = {"color": COLOURS["reference"], "markersize": 8, "fillstyle": "none"}
        ax.plot([], [], "o", **ring, label="reference")
        ax.plot([], [], "o", color=COLOURS["skip"], markersize=5, label="with skipping")
        ax.set_yticks(range(len(names)), [_short(name or "all", 24) for name in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        values = [v for *both, _ in scores for v in both if v is not None]
        ax.set_xlim((-0.03, 1.03) if min(values) >= 0 and max(values) <= 1 else None)
        ax.set_xlabel("mean score")
        ax.tick_params(length=0)
        ax.grid(axis="both")
        ax.spines[["left", "bottom"]].set_visible(False)
        figure.legend(loc="outside upper left", ncols=2, borderpad=0)

    size = (HALF[0], min(8.0, max(1.6, 0.9 + 0.3 * len(names))))
    return Chart(
        "Score per task",
        "Rings are the mean scores of the reference runs, dots those with skipping: a dot to the "
        "left of its ring is a task in which skipping lowers the score.",
        draw("tasks", "Mean score per task, of reference runs and with skipping.", size, plot),
    )


def task_scores(run: RunContent, task: str) -> tuple[float | None, float, int]:
    """Returns the mean scores, of reference runs (or None) and with skipping, and the count."""
    own = [entry for entry in run.good if entry.task == task and entry.score is not None]
    paired = [entry for entry in own if entry.score_full is not None]
    use = paired or own
    reference = [entry.score_full or 0.0 for entry in paired]
    mean = float(np.mean(reference)) if paired else None
    return mean, float(np.mean([entry.score or 0.0 for entry in use])), len(use)


@dataclass(frozen=True)
class Official:
    """A row of a benchmark's table of official scores, as text."""

    name: str
    total: bool
    samples: int
    reference: str
    skipped: str
    difference: str
    interval: str


def official(run: RunContent) -> list[Official]:
    """Returns the official scores of a benchmark; none before they are imported."""
    return [_official(row) for row in (run.summary.get("benchmark") or {}).get("rows", ())]


def _official(row: Mapping[str, Any]) -> Official:
    reference, skipped = (
        format_number(row[s][0], "{:.4f}") if row[s] else "" for s in ("full", "skipped")
    )
    change = row["difference"]
    difference = format_number(change[0], "{:+.4f}") if change else ""
    interval = between(change[1:], "{:+.4f}") if change and row["samples"] > 1 else ""
    return Official(
        row["name"], row["total"], row["samples"], reference, skipped, difference, interval
    )


def times(run: RunContent) -> Chart | None:
    """Draws the mean wall time of a sample by part, of reference runs and with skipping."""
    split = mean_times(run)
    if not split or not any(sum(parts.values()) for parts in split.values()):
        return None
    longest = max(sum(parts.values()) for parts in split.values())
    scale, unit = (1, "seconds") if longest >= 1 else (1000, "milliseconds")

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        paint = {"encode": LEVELS[1], "denoise": LEVELS[3], "decode": LEVELS[5]}
        for i, parts in enumerate(split.values()):
            left = 0.0
            for part, seconds in parts.items():
                ax.barh(i, seconds * scale, left=left, color=paint[part], height=0.55)
                left += seconds * scale
            text = f"{left:.3g}"
            ax.annotate(text, (left, i), (4, 0), textcoords="offset points", va="center")
        ax.set_yticks(range(len(split)), list(split))
        ax.set_ylim(len(split) - 0.4, -0.6)
        ax.set_xlabel(f"{unit} per sample")
        ax.margins(x=0.12)
        ax.tick_params(length=0)
        ax.grid(axis="x")
        ax.spines[["left", "bottom"]].set_visible(False)
        keys = [Patch(color=paint[part], label=part) for part in paint]
        figure.legend(handles=keys, loc="outside upper left", ncols=3, borderpad=0)

    return Chart(
        "Where the time goes",
        "Mean wall time of a sample in the text encoder, the denoising steps and the decoder; "
        "skipping can shorten the denoising only.",
        draw(
            "times",
            "Mean wall time by part, of reference runs and with skipping.",
            (HALF[0], 1.9),
            plot,
        ),
        clock=True,
    )


def mean_times(run: RunContent) -> dict[str, dict[str, float]]:
    """Returns the mean seconds per sample by part, of reference runs and with skipping."""
    timed = [entry.row for entry in run.good]
    split = {
        "reference": [row.seconds_full for row in timed if row.seconds_full],
        "skipped": [row.seconds for row in timed],
    }
    return {
        name: {part: float(np.mean([getattr(row, part) for row in rows])) for part in PARTS}
        for name, rows in split.items()
        if rows
    }


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
