"""The comparison's figures: quality over calls and over wall time, and the computed steps."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from fastflow.comparison.checks import ComparisonResults
from fastflow.comparison.fairness.findings import best_of_ours
from fastflow.comparison.table import CONTROL, TableRow
from fastflow.evaluation.measurement import SampleRow
from fastflow.evaluation.summary import PSNR
from fastflow.report.figures import Chart
from fastflow.report.html.pictures import Picture
from fastflow.report.html.style import COLOURS, LEVELS, draw

COMPUTED, SKIPPED = (36, 104, 143), (217, 214, 207)
MARKERS = "osD^vP*X<>hp"

Along = Callable[[TableRow], float | None]


def curves(results: ComparisonResults) -> Iterator[Chart]:
    """Yields the Pareto curves: PSNR over network calls and over wall time."""
    calls = f"network calls, in computed steps (reference: {results.settings.steps})"
    clock = "speed-up in wall time over the reference run"
    psnr = "PSNR to the reference run, dB"
    exact = f"PSNR to {results.settings.converged_steps} steps, dB"
    for name, label, along, part, what in (
        ("calls", calls, network_calls, "fidelity", psnr),
        ("clock", clock, faster, "fidelity", psnr),
        ("exact", calls, network_calls, "converged", exact),
    ):
        shown = [group for group in (*results.settings.groups, "others") if group != CONTROL]
        if groups := [group for group in shown if _methods(results, group, along, part)]:
            yield _panels(results, groups, name, label, along, part, what)


def network_calls(row: TableRow) -> float:
    """Returns a row's network calls, in units of computed steps."""
    return row.steps


def faster(row: TableRow) -> float | None:
    """Returns a row's speed-up in wall time over the reference run; None if it was not timed."""
    return row.speedup_wall and row.speedup_wall[0]


def _panels(
    results: ComparisonResults,
    groups: Sequence[str],
    name: str,
    label: str,
    along: Along,
    part: str,
    what: str,
) -> Chart:
    """Draws a panel for each group, with the best of our methods in the background."""
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    behind = _envelope(results, along, part)

    def plot(figure: Figure) -> None:
        axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
        for ax, group in zip(axes, groups, strict=False):
            if group != "ours" and len(behind):
                ax.plot(*behind.T, color=COLOURS["skip"], linewidth=1.1, linestyle=(0, (2, 2)))
            _panel(ax, group, _methods(results, group, along, part), along, part)
            if part == "converged":
                ax.axhline(
                    results.reference.converged[PSNR][0], color=COLOURS["reference"], linewidth=0.9
                )
        for ax in axes[len(groups) :]:
            ax.set_axis_off()
        figure.supxlabel(label, fontsize=8.5, color=COLOURS["muted"])
        figure.supylabel(what, fontsize=8.5, color=COLOURS["muted"])

    caption = (
        f"Means over the samples with 95 % intervals {results.coverage}, one panel for each "
        "group. Dotted: the best of our methods. Hollow: rows that missed their target or are "
        "marked, which are never the best. The negative control is left out."
    )
    if part == "converged":
        caption += " Grey: the reference run itself, at its own distance from the converged run."
    text = f"{what} over {label}, {len(groups)} groups of methods."
    return Chart(
        f"{what.rpartition(',')[0]} over {'wall time' if name == 'clock' else 'network calls'}",
        caption,
        draw(f"pareto-{name}", text, (9.6, 0.6 + 2.5 * rows), plot),
        wide=True,
        clock=name == "clock",
    )


def _methods(
    results: ComparisonResults, group: str, along: Along, part: str
) -> dict[str, list[TableRow]]:
    """Returns the drawable rows of a group, by method."""
    by_method: dict[str, list[TableRow]] = {}
    for row in results.table:
        if row.group == group and _drawable(row, along, part):
            by_method.setdefault(row.method, []).append(row)
    return by_method


def _drawable(row: TableRow, along: Along, part: str) -> bool:
    return not row.failure and PSNR in getattr(row, part) and along(row) is not None


def _panel(
    ax: Axes, group: str, methods: dict[str, list[TableRow]], along: Along, part: str
) -> None:
    for i, (name, rows) in enumerate(methods.items()):
        points = sorted((along(row) or 0.0, *getattr(row, part)[PSNR]) for row in rows)
        x, mean, low, high = np.array(points).T
        colour = LEVELS[len(LEVELS) - 1 - i % len(LEVELS)]
        marker = MARKERS[i % len(MARKERS)]
        ax.plot(x, mean, color=colour, marker=marker, markersize=4, label=name, linewidth=1.3)
        marked = [(along(row), getattr(row, part)[PSNR][0]) for row in rows if row.is_marked]
        hollow = {"color": colour, "markerfacecolor": "white", "markersize": 4, "linestyle": ""}
        ax.plot(*zip(*marked, strict=True) if marked else ((), ()), marker=marker, **hollow)
        ax.vlines(x, low, high, color=colour, linewidth=0.8)
    title = "oracle, best by recorded cost" if group == "oracle" else group
    ax.set_title(title, loc="left", fontsize=8.5, color=COLOURS["ink"])
    ax.legend(fontsize=6.5, loc="best", handlelength=1.4, labelspacing=0.25)
    ax.grid(axis="y")
    ax.tick_params(length=0)
    ax.xaxis.set_major_locator(MaxNLocator(6))


def _envelope(results: ComparisonResults, along: Along, part: str) -> np.ndarray:
    """Returns the points ``(n, 2)`` of the best of our methods at each target."""
    points = []
    for target in results.settings.targets:
        ours = [row for row in results.at(target, ["ours"]) if _drawable(row, along, part)]
        best = best_of_ours(ours, part)
        if best is not None:
            points.append((along(best) or 0.0, getattr(best, part)[PSNR][0]))
    return np.array(sorted(points))


def heat_map(samples: Sequence[SampleRow], steps: int) -> Picture | None:
    """Draws the computed steps, one row of pixels per sample, one pixel per step."""
    if not samples or any(max(s.computed, default=0) >= steps for s in samples):
        return None
    pixels = np.full((len(samples), steps, 3), SKIPPED, dtype=np.uint8)
    for i, sample in enumerate(samples):
        pixels[i, list(sample.computed)] = COMPUTED
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", optimize=True)
    text = base64.b64encode(out.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{text}", steps, len(samples))
