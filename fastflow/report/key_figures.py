"""The key figures of a run: its title, a few large numbers, and a table of all numbers."""

from __future__ import annotations

from dataclasses import dataclass

from fastflow.evaluation.summary import CLOCK, FLIP, IDENTICAL, LAST
from fastflow.report.load import RunContent

TIMES_SIGN = " \N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"


def _psnr_labels(ending: str, among: str) -> dict[str, tuple[str, str, str]]:
    """Returns the spread of the PSNR, over the samples that the ending of the names stands for."""
    return {
        f"psnr_median_db{ending}": (f"Median PSNR{among}", "{:.1f}", " dB"),
        f"psnr_p10_db{ending}": (f"10th percentile of the PSNR{among}", "{:.1f}", " dB"),
        f"psnr_worst_db{ending}": (f"Worst PSNR{among}", "{:.1f}", " dB"),
        f"flips{ending}": (f"Flips: samples below {FLIP:.0f} dB{among}", "{:.0f}", ""),
    }


_KNOWN = {
    "calls_full": ("Network calls per sample, without skipping", "{:.1f}", ""),
    "calls_mean": ("Network calls per sample, with skipping", "{:.1f}", ""),
    "speedup_calls": ("Speed-up by network calls", "{:.2f}", TIMES_SIGN),
    "speedup_wall": ("Speed-up by wall time of denoising", "{:.2f}", TIMES_SIGN),
    "psnr_db": ("PSNR to the reference run, mean without identical outputs", "{:.1f}", " dB"),
    **_psnr_labels("", ""),
    **_psnr_labels("_with_skips", ", of samples that skipped something"),
    "ssim": ("SSIM to the reference run", "{:.4f}", ""),
    "lpips": ("LPIPS to the reference run (lower is closer)", "{:.4f}", ""),
    "score_full": ("Score without skipping", "{:.3f}", ""),
    "score": ("Score with skipping", "{:.3f}", ""),
    "score_difference": ("Difference in score", "{:+.3f}", ""),
    "learning_calls": ("Network calls of learning, besides the samples'", "{:.0f}", ""),
    "learning_runs": ("The same in reference runs", "{:.1f}", ""),
}


@dataclass(frozen=True)
class FigureRow:
    """A measured number as text, over all samples and over the last ones.

    `clock` is whether it is a clock reading, which differs when the run is repeated.
    """

    label: str
    value: str
    interval: str
    recent: str
    recent_interval: str
    clock: bool


@dataclass(frozen=True)
class Tile:
    """A large number with its label and details, separated by ``; ``; `clock` is as above."""

    label: str
    value: str
    detail: str
    clock: bool = False


def format_number(value: float, form: str) -> str:
    """Formats a number with a true minus sign."""
    return form.format(value).replace("-", MINUS)


def measures(run: RunContent) -> list[FigureRow]:
    """Returns every measured number of the summary."""
    all_skip = all(entry.calls < entry.calls_full for entry in run.good)
    others = {
        name: (f"{name} (mean)", "{:.4g}", "")
        for name in sorted({name for entry in run.good for name in entry.row.metrics})
        if name not in _KNOWN
    }
    return [
        _measure(run, name, *how)
        for name, how in (_KNOWN | others).items()
        if run.number(name) is not None and not (all_skip and name.endswith("_with_skips"))
    ]


def _measure(run: RunContent, name: str, label: str, form: str, unit: str) -> FigureRow:
    def texts(recent: bool) -> tuple[str, str]:
        value, bounds = run.number(name, recent), run.interval(name, recent)
        text = "" if value is None else format_number(value, form) + unit
        if unit == " dB" and value == IDENTICAL:
            text = "identical"
        return text, between(bounds, form) if bounds else ""

    return FigureRow(label, *texts(False), *texts(True), clock=name in CLOCK)


def between(bounds: tuple[float, float], form: str) -> str:
    """Formats an interval, such as ``1.7 to 2.1``."""
    return f"{format_number(bounds[0], form)} to {format_number(bounds[1], form)}"


def run_title(run: RunContent) -> str:
    """Returns the result of the run in one line."""
    gain, psnr = run.number("speedup_calls"), run.number("psnr_db")
    if not run.entries:
        return "No samples yet"
    if gain is None:
        return "Every sample failed"
    calls = f"{gain:.2f} times fewer network calls" if gain > 1.005 else "No network calls saved"
    identical = (run.number("psnr_db_identical") or 0) > 0
    if gain > 1.005 and (run.number("speedup_wall") or 2) < 1.005:
        return f"{calls}, but no gain in wall time"
    score = run.interval("score_difference")
    if score and score[1] < 0:
        return f"{calls}, but at a lower score"
    if psnr is not None:
        return f"{calls}, at {psnr:.1f} dB PSNR to the reference run"
    return f"{calls}, identical {run.outputs}" if identical else calls


def tiles(run: RunContent) -> list[Tile]:
    """Returns the large numbers."""
    return [tile for tile in (_calls(run), _wall(run), _psnr(run), _score(run)) if tile]


def _calls(run: RunContent) -> Tile | None:
    gain = run.number("speedup_calls")
    if gain is None:
        return None
    detail = f"{run.number('calls_full'):.1f} → {run.number('calls_mean'):.1f} calls per sample"
    return Tile(
        "Speed-up by calls", f"{gain:.2f}{TIMES_SIGN}", _with_last(run, "speedup_calls", detail)
    )


def _wall(run: RunContent) -> Tile | None:
    gain = run.number("speedup_wall")
    if gain is None:
        return None
    bounds = run.interval("speedup_wall")
    detail = f"95 % interval {between(bounds, '{:.2f}')}" if bounds else "denoising only"
    return Tile(
        "Speed-up by wall time",
        f"{gain:.2f}{TIMES_SIGN}",
        _with_last(run, "speedup_wall", detail),
        clock=True,
    )


def _with_last(run: RunContent, name: str, detail: str) -> str:
    """Adds the number over the last samples, if there are more than those."""
    recent = run.number(name, recent=True)
    return (
        f"{detail}; last {LAST}: {recent:.2f}{TIMES_SIGN}"
        if recent and len(run.good) > LAST
        else detail
    )


def _psnr(run: RunContent) -> Tile | None:
    value, median = run.number("psnr_db"), run.number("psnr_median_db")
    identical = int(run.number("psnr_db_identical") or 0)
    if value is None:
        return Tile("PSNR to the reference run", "∞", "all identical") if identical else None
    parts = [f"{identical} identical left out"] if identical else []
    if median is not None and median != IDENTICAL:
        parts.append(f"median of all {median:.1f}")
    if (flips := run.number("flips")) is not None:
        parts.append(f"{flips:.0f} flip{'' if flips == 1 else 's'} (below {FLIP:.0f} dB)")
    return Tile("Mean PSNR to the reference run", f"{value:.1f} dB", "; ".join(parts))


def _score(run: RunContent) -> Tile | None:
    value, reference = run.number("score"), run.number("score_full")
    if value is None:
        return None
    detail = "" if reference is None else f"without skipping {reference:.3f}"
    bounds = run.interval("score_difference")
    if bounds:
        detail += f"; difference {between(bounds, '{:+.3f}')}"
    return Tile("Score with skipping", f"{value:.3f}", detail)
