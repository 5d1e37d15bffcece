"""The comparison's figures: quality against calls and against time, and who computed what."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from fastflow.comparison.checks import CONTROL, ComparisonResults
from fastflow.comparison.table import PSNR, TableRow
from fastflow.evaluation.measurement import SampleRow
from fastflow.report.figures import Chart
from fastflow.report.html.pictures import Picture
from fastflow.report.html.style import COLOURS, LEVELS, draw

COMPUTED, SKIPPED = (36, 104, 143), (217, 214, 207)
MARKERS = "osD^vP*X<>hp"

Along = Callable[[TableRow], float | None]


def curves(found: ComparisonResults) -> Iterator[Chart]:
    """Yields the Pareto curves: PSNR to the full and to the converged run, by calls, by time."""
    label = f"network calls, in computed steps (full: {found.settings.steps})"
    if any(PSNR in line.fidelity for line in found.table):
        yield _panels(
            found, "calls", label, network_calls, "fidelity", "PSNR to the reference run, dB"
        )
    if any(line.speedup_wall for line in found.table):
        clock = "times faster than the reference run, by the clock"
        yield _panels(found, "clock", clock, faster, "fidelity", "PSNR to the reference run, dB")
    if any(PSNR in line.converged for line in found.table):
        what = f"PSNR to {found.settings.converged_steps} steps, dB"
        yield _panels(found, "exact", label, network_calls, "converged", what)


def network_calls(line: TableRow) -> float:
    """Returns a line's calls, in computed steps."""
    return line.steps


def faster(line: TableRow) -> float | None:
    """Returns how many times faster than the reference run a line was, if it was timed."""
    return line.speedup_wall and line.speedup_wall[0]


def _panels(
    found: ComparisonResults, name: str, label: str, along: Along, part: str, what: str
) -> Chart:
    """Draws a panel for each group, with the best of ours behind it."""
    shown = [g for g in [*found.settings.groups, "others"] if g != CONTROL]
    groups = [group for group in shown if _methods(found, group, along, part)]
    columns = min(3, max(1, len(groups)))
    rows = -(-len(groups) // columns)
    behind = _envelope(found, along, part)

    def plot(figure: Figure) -> None:
        axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
        for ax, group in zip(axes, groups, strict=False):
            if group != "ours" and len(behind):
                ax.plot(*behind.T, color=COLOURS["skip"], linewidth=1.1, linestyle=(0, (2, 2)))
            _panel(ax, group, _methods(found, group, along, part), along, part)
            if part == "converged":
                ax.axhline(
                    found.reference.converged[PSNR][0], color=COLOURS["full"], linewidth=0.9
                )
        for ax in axes[len(groups) :]:
            ax.set_axis_off()
        figure.supxlabel(label, fontsize=8.5, color=COLOURS["muted"])
        figure.supylabel(what, fontsize=8.5, color=COLOURS["muted"])

    caption = (
        "Means over the samples with their 95 % intervals, one panel a group. Dotted: the best of "
        "ours. The negative control is left out."
    )
    if part == "converged":
        caption += " Grey: the reference run itself, which comes no nearer to the exact solution."
    text = f"{what} against {label}, {sum(len(g) for g in groups)} groups of methods."
    return Chart(
        f"{what.rpartition(',')[0]} against {'time' if name == 'clock' else 'calls'}",
        caption,
        draw(f"pareto-{name}", text, (9.6, 0.6 + 2.5 * rows), plot),
        wide=True,
        clock=name == "clock",
    )


def _methods(
    found: ComparisonResults, group: str, along: Along, part: str
) -> dict[str, list[TableRow]]:
    """Returns the lines of a group that can be drawn, by method."""
    by_method: dict[str, list[TableRow]] = {}
    for line in found.table:
        if line.group == group and _drawable(line, along, part):
            by_method.setdefault(line.method, []).append(line)
    return by_method


def _drawable(line: TableRow, along: Along, part: str) -> bool:
    return not line.failure and PSNR in getattr(line, part) and along(line) is not None


def _panel(
    ax: Axes, group: str, methods: dict[str, list[TableRow]], along: Along, part: str
) -> None:
    for i, (name, lines) in enumerate(methods.items()):
        points = sorted((along(line) or 0.0, *getattr(line, part)[PSNR]) for line in lines)
        x, mean, low, high = np.array(points).T
        colour = LEVELS[len(LEVELS) - 1 - i % len(LEVELS)]
        marker = MARKERS[i % len(MARKERS)]
        ax.plot(x, mean, color=colour, marker=marker, markersize=4, label=name, linewidth=1.3)
        ax.vlines(x, low, high, color=colour, linewidth=0.8)
    ax.set_title(group, loc="left", fontsize=8.5, color=COLOURS["ink"])
    ax.legend(fontsize=6.5, loc="best", handlelength=1.4, labelspacing=0.25)
    ax.grid(axis="y")
    ax.tick_params(length=0)
    ax.xaxis.set_major_locator(MaxNLocator(6))


def _envelope(found: ComparisonResults, along: Along, part: str) -> np.ndarray:
    """Returns ``(n, 2)`` where the best of ours stands at each target."""
    points = []
    for target in found.settings.targets:
        ours = [line for line in found.at(target, ["ours"]) if _drawable(line, along, part)]
        if ours:
            best = max(ours, key=lambda line: getattr(line, part)[PSNR][0])
            points.append((along(best) or 0.0, getattr(best, part)[PSNR][0]))
    return np.array(sorted(points))


def heat_map(samples: Sequence[SampleRow], steps: int) -> Picture | None:
    """Draws which steps each sample computed: a pixel each, sample by step."""
    if not samples or any(max(s.computed, default=0) >= steps for s in samples):
        return None
    pixels = np.full((len(samples), steps, 3), SKIPPED, dtype=np.uint8)
    for row, sample in enumerate(samples):
        pixels[row, list(sample.computed)] = COMPUTED
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", optimize=True)
    text = base64.b64encode(out.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{text}", steps, len(samples))
