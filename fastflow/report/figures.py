"""The figures on skipping: each function returns a chart of a run, or None without data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from fastflow.evaluation.summary import LAST
from fastflow.report.entry import Entry
from fastflow.report.html.style import COLOURS, bins, colour, draw, rectangles
from fastflow.report.load import RunContent

HALF = (4.8, 2.9)
MANY_BOXES = 8000  # with more, only every n-th sample's decisions are drawn


@dataclass(frozen=True)
class Chart:
    """A figure on the page.

    Args:
        title: the title.
        caption: one sentence on how to read it.
        svg: the figure itself.
        wide: whether it has the full width of the page.
        clock: whether it shows clock readings, which differ when the run is repeated.
    """

    title: str
    caption: str
    svg: Markup
    wide: bool = False
    clock: bool = False


def decisions(run: RunContent) -> Chart | None:
    """Draws every step of every sample: computed, or skipped in a stretch of some length."""
    entries = [entry for entry in run.entries if entry.computed]
    if not entries:
        return None
    stretches = sum(sum(m > 0 for m in entry.arms) for entry in entries)
    shown = entries[:: max(1, math.ceil(stretches / MANY_BOXES))]
    lengths = [m for entry in shown for m in entry.arms if m > 0]
    edges, texts = bins(lengths, "{:.0f}") if lengths else ([], [])

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        height = 0.86 if len(shown) < 120 else 1.0
        rectangles(ax, [(0, i, run.steps, height) for i in range(len(shown))], COLOURS["s0"])
        boxes: dict[int, list] = {}
        for i, entry in enumerate(shown):
            for k, m in zip(entry.computed, entry.arms):
                if m > 0:
                    level = int(np.searchsorted(edges, m))
                    boxes.setdefault(level, []).append((k + 1, i, m, height))
        for level, drawn in boxes.items():
            rectangles(ax, drawn, colour(level, len(edges)))
        ax.set(xlim=(0, run.steps), ylim=(len(shown), 0), xlabel="time step", ylabel="sample")
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.tick_params(length=0)
        ax.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        _sample_ticks(ax, shown)
        keys = [Patch(color=COLOURS["s0"], label="computed")]
        keys += [
            Patch(color=colour(i, len(edges)), label=f"{text} skipped")
            for i, text in enumerate(texts)
        ]
        figure.legend(handles=keys, loc="outside upper left", ncols=len(keys), borderpad=0)

    height = min(6.0, max(1.5, 0.9 + 0.085 * len(shown)))
    share = 1 - sum(len(e.computed) for e in entries) / (run.steps * len(entries))
    thinned = (
        f" Every {entries.index(shown[1])}th sample is drawn." if len(shown) < len(entries) else ""
    )
    return Chart(
        "Decisions",
        f"Each row is a sample, from noise (left) to {run.outputs[:-1]} (right): grey steps were "
        "computed by the network, coloured stretches were skipped; the stronger the colour, the "
        f"longer the stretch.{thinned}",
        draw(
            "decisions", f"Decisions by sample and step; {share:.0%} skipped.", (9.6, height), plot
        ),
        wide=True,
    )


def _sample_ticks(ax: Axes, shown: Sequence[Entry]) -> None:
    """Labels rows with the samples' numbers."""
    rows = range(0, len(shown), max(1, len(shown) // 8))
    ax.set_yticks([i + 0.5 for i in rows], [str(shown[i].index) for i in rows])


def calls(run: RunContent) -> Chart | None:
    """Draws the network calls of every sample, with a moving average."""
    good = run.good
    if len(good) < 2:
        return None
    reference = float(np.mean([entry.calls_full for entry in good]))

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        ax.axhline(reference, color=COLOURS["reference"], linewidth=1.1, linestyle=(0, (4, 3)))
        ax.annotate(
            "without skipping",
            (1, reference),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            color=COLOURS["muted"],
            fontsize=8,
        )
        _sequence(ax, good, [entry.calls for entry in good])
        ax.set(ylabel="network calls", ylim=(0, 1.15 * max(reference, *(e.calls for e in good))))
        ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    return Chart(
        "Learning curve: calls",
        "Each dot is a sample, in the order of generation; the line is the mean of the last "
        f"{LAST}. It falls if the policy learns which steps can be skipped.",
        draw(
            "calls",
            f"Network calls per sample; the reference run takes {reference:.0f}.",
            HALF,
            plot,
        ),
    )


def fidelity(run: RunContent) -> Chart | None:
    """Draws the PSNR of every sample, with a moving average."""
    measured = [entry for entry in run.good if entry.psnr is not None]
    finite = [entry for entry in measured if math.isfinite(entry.psnr or 0)]
    if not measured:
        return landing_error(run)
    if len(measured) < 2:
        return None
    values = [entry.psnr or 0.0 for entry in finite]
    identical = [entry.index for entry in measured if entry.psnr == math.inf]
    top = max(values, default=50.0)

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        _sequence(ax, finite, values)
        if identical:
            ax.plot(
                identical, [top + 3] * len(identical), "^", color=COLOURS["skip"], markersize=5
            )
        ax.set_ylabel("PSNR (dB)")
        ax.margins(y=0.12)

    triangles = (
        f" Triangles at the top are {run.outputs} identical to the reference run's."
        if identical
        else ""
    )
    return Chart(
        "Learning curve: fidelity",
        "Each dot is a sample's PSNR to its reference run from the same noise; the line is the "
        f"mean of the last {LAST}. Higher is closer.{triangles}",
        draw("fidelity", f"PSNR per sample, at most {top:.1f} dB.", HALF, plot),
    )


def landing_error(run: RunContent) -> Chart | None:
    """Draws every sample's mean landing error, for runs without reference runs."""
    errors: dict[int, list[float]] = {}
    for record in run.records:
        if record.get("taken") and record.get("arm") and record.get("error") is not None:
            errors.setdefault(int(record["sample"]), []).append(float(record["error"]))
    entries = [entry for entry in run.good if entry.index in errors]
    if len(entries) < 2:
        return None
    means = [float(np.mean(errors[entry.index])) for entry in entries]

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        _sequence(ax, entries, means)
        ax.set_ylabel("mean landing error")
        ax.set_ylim(bottom=0)

    return Chart(
        "Learning curve: landing error",
        "Each dot is a sample's mean difference between extrapolated and computed velocity at its "
        f"landings; the line is the mean of the last {LAST}. Lower is better.",
        draw("landing-error", "Mean landing error per sample.", HALF, plot),
    )


def _sequence(ax: Axes, entries: Sequence[Entry], values: Sequence[float]) -> None:
    """Plots a value per sample, and the mean over it and the samples before it."""
    x = [entry.index for entry in entries]
    means = [float(np.mean(values[max(0, i - LAST + 1) : i + 1])) for i in range(len(values))]
    size = 3.2 if len(values) <= 150 else 1.8
    ax.plot(x, values, "o", color=COLOURS["skip"], alpha=0.55, markersize=size, mew=0)
    if len(values) > 1:
        ax.plot(x, means, color=COLOURS["skip"])
    ax.set_xlabel("sample")
    ax.grid(axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.spines["left"].set_visible(False)


def skip_lengths(run: RunContent) -> Chart | None:
    """Draws how often each skip length was taken."""
    counts = Counter(m for entry in run.good for m in entry.arms)
    if not counts:
        return None
    lengths = sorted(counts)
    total = sum(counts.values())
    skipped = [m for m in lengths if m]

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        paint = [
            COLOURS["reference"] if m == 0 else colour(skipped.index(m), len(skipped))
            for m in lengths
        ]
        positions = range(len(lengths))
        bars = ax.bar(positions, [counts[m] for m in lengths], color=paint, width=0.68)
        if len(lengths) <= 12:
            shares = [f"{counts[m] / total:.0%}" for m in lengths]
            ax.bar_label(bars, labels=shares, padding=2, color=COLOURS["muted"], fontsize=8)
        every = max(1, len(lengths) // 12)
        ax.set_xticks(list(positions)[::every], [str(m) for m in lengths[::every]])
        ax.set(xlabel="skip length (steps)", ylabel="decisions")
        ax.set_xlim(-0.9, max(len(lengths) - 0.1, 2.9))
        ax.margins(y=0.14)
        ax.tick_params(length=0)
        ax.grid(axis="y")
        ax.spines["left"].set_visible(False)

    return Chart(
        "Skip lengths",
        "How often a computed step was followed by that many skipped steps; 0 means that the next "
        "step was also computed.",
        draw("skip-lengths", f"Histogram of {total} decisions by skip length.", HALF, plot),
    )


def velocity_changes(run: RunContent) -> Chart | None:
    """Draws the relative L1 change of consecutive velocities by step: Figure 4 of the paper."""
    curves = [e.row.velocity_change for e in run.good if e.row.velocity_change]
    curves = [np.array([np.nan if v is None else v for v in curve], float) for curve in curves]
    curves = [curve for curve in curves if (np.nan_to_num(curve) > 0).any()]
    if not curves:
        return None
    length = min(len(curve) for curve in curves)
    stacked = np.stack([np.where(c[:length] > 0, c[:length], np.nan) for c in curves])
    medians = np.array(
        [np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else np.nan for c in stacked.T]
    )

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        x = np.arange(1, length + 1)
        for curve in stacked:
            ax.plot(x, curve, color=COLOURS["reference"], alpha=0.4, linewidth=0.8)
        ax.plot(
            x, medians, color=COLOURS["skip"], marker="o" if length < 12 else "", markersize=3.5
        )
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=12))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(which="minor", length=0)
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        ax.set(xlabel="time step", ylabel="relative L1 change")
        ax.grid(axis="y")
        ax.spines["left"].set_visible(False)

    low = int(np.nanargmin(medians)) + 1
    of = (
        f"{len(curves)} samples (thin) and their median (thick)" if len(curves) > 1 else "a sample"
    )
    return Chart(
        "Change of consecutive velocities",
        "The relative change of the reference run's velocity from one step to the next, for "
        f"{of}: skipping costs least where it is low, here around step {low}.",
        draw("velocity-change", f"Relative L1 change by step, lowest at {low}.", HALF, plot),
    )
