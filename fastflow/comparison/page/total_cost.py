"""Quality over total cost: what an output costs if what was learned serves so many outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fastflow.comparison.checks import ComparisonResults
from fastflow.comparison.page.pareto import MARKERS
from fastflow.comparison.table import OUTPUTS, UNUSABLE, TableRow
from fastflow.report.figures import Chart
from fastflow.report.html.style import COLOURS, draw

DRAWN = 1.25  # the highest total cost in the figure
LINE = 8.0  # points; the distance of two names


def usable(results: ComparisonResults) -> list[TableRow]:
    """Returns the rows that have a PSNR and a cost, of methods that are for use."""
    return [
        row
        for row in results.table
        if row.group not in UNUSABLE and row.psnr is not None and row.total_cost
    ]


def efficient(results: ComparisonResults, outputs: int) -> list[TableRow]:
    """Returns the rows that none beats in both mean PSNR and total cost, the cheapest first.

    Rows that cost as much as the reference run or more are left out: that run beats them in both.
    So are marked ones, which are not what their name and target say.

    Args:
        results: the results of the comparison.
        outputs: the number of outputs among which the learning cost is divided.
    """
    found: list[TableRow] = []
    rows = sorted(usable(results), key=lambda row: (cost(row, outputs), -(row.psnr or 0.0)))
    for row in rows:
        if row.is_marked:
            continue
        if cost(row, outputs) < 1 and (not found or (row.psnr or 0.0) > (found[-1].psnr or 0.0)):
            found.append(row)
    return found


def cost(row: TableRow, outputs: int) -> float:
    """Returns the network calls per output, learning included, over those of the reference run."""
    return row.total_cost[str(outputs)]


def total_cost(results: ComparisonResults) -> Chart | None:
    """Draws the mean PSNR over the total cost, a panel for each number of outputs."""
    rows = [r for r in usable(results) if min(cost(r, outputs) for outputs in OUTPUTS) <= DRAWN]
    if not rows:
        return None
    groups = list(dict.fromkeys(row.group for row in rows))

    def plot(figure: Figure) -> None:
        panels = figure.subplots(1, len(OUTPUTS), sharex=True, sharey=True)
        for ax, outputs in zip(panels, OUTPUTS, strict=True):
            _panel(ax, rows, groups, outputs)
            _name(ax, efficient(results, outputs), outputs)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(groups), borderpad=0)
        what = "total cost of an output, as a share of the reference run's network calls"
        figure.supxlabel(what, fontsize=8.5, color=COLOURS["muted"])
        figure.supylabel("mean PSNR, dB", fontsize=8.5, color=COLOURS["muted"])

    return Chart(
        "PSNR over total cost",
        "One marker for each method and target; filled and named are those that no other beats in "
        "both and that are not marked. The line at 100 % is the reference run. Oracles, the "
        f"negative control and what costs more than {100 * DRAWN:.0f} % are left out.",
        draw("total-cost", "PSNR over total cost, learning included.", (9.6, 4.4), plot),
        wide=True,
    )


def _panel(ax: Axes, rows: Sequence[TableRow], groups: Sequence[str], outputs: int) -> None:
    for i, group in enumerate(groups):
        own = [row for row in rows if row.group == group]
        x, y = [cost(row, outputs) for row in own], [row.psnr or 0.0 for row in own]
        style = {"marker": MARKERS[i % len(MARKERS)], "s": 16, "linewidths": 0.8, "label": group}
        ax.scatter(x, y, facecolors="none", edgecolors=COLOURS["muted"], **style)
    ax.axvline(1.0, color=COLOURS["reference"], linewidth=0.9)
    ax.set_title(f"{outputs:,} outputs", loc="left", fontsize=8.5, color=COLOURS["ink"])
    ax.set_xlim(-0.3, DRAWN)  # the names of cheap methods need room at the left
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    ax.margins(y=0.1)
    ax.grid(axis="y")
    ax.tick_params(length=0)


def _name(ax: Axes, rows: Sequence[TableRow], outputs: int) -> None:
    """Names the efficient rows to their left, where no marker can be, and keeps names apart."""
    low, high = ax.get_ylim()
    points_per_db = 200.0 / (high - low)  # a panel is about 200 points high
    last = -math.inf
    for row in rows:
        x, y = cost(row, outputs), row.psnr or 0.0
        ax.plot(x, y, "o", color=COLOURS["skip"], markersize=4.5)
        at = max(y * points_per_db, last + LINE)
        offset = (-5, at - y * points_per_db)
        text = f"{row.method} at {row.target}"
        style = {"ha": "right", "va": "center", "fontsize": 6.5, "color": COLOURS["ink"]}
        ax.annotate(text, (x, y), offset, textcoords="offset points", **style)
        last = at
