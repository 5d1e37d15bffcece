"""The summary of a run, from the rows of its samples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastflow.evaluation.bootstrap import bootstrap_mean, bootstrap_ratio
from fastflow.evaluation.measurement import SampleRow

PSNR = "psnr_db"
IDENTICAL = 99.0  # dB; stands for the infinite PSNR of identical outputs
FLIP = 30.0  # dB; a sample whose PSNR to the reference run is lower has become another output
LAST = 20
CLOCK = ("speedup_wall", "speedup_wall_last20")
"""The numbers that depend on a clock, and so differ from run to run."""


def summarise(rows: Sequence[SampleRow]) -> dict[str, Any]:
    """Returns calls, speed-ups, fidelity and scores with 95 % bootstrap intervals.

    Failed samples are counted, and left out of all other numbers. A speed-up is a ratio of sums
    over the samples; that by wall time compares denoising times.

    Args:
        rows: the samples' rows.
    """
    good = [row for row in rows if not row.failure]
    summary: dict[str, Any] = {"samples": len(rows), "failed": len(rows) - len(good)}
    if not good:
        return summary | {"intervals": {}}
    summary |= {
        "calls_full": float(np.mean([r.calls_full for r in good])),
        "calls_mean": float(np.mean([r.calls for r in good])),
        "calls_last20": float(np.mean([r.calls for r in good[-LAST:]])),
        "skip_lengths": _skip_lengths(good),
        "intervals": {},
    }
    _speedups(summary, good)
    _means(summary, good)
    _fidelity(summary, good)
    _scores(summary, good)
    return summary


def psnr_spread(psnrs: Sequence[float]) -> dict[str, float]:
    """Returns what a mean of PSNRs hides: the median, the low end, and the number of flips.

    Args:
        psnrs: the PSNR of each sample's decoded output to that of its reference run, in dB, at
            least one; an infinite one counts as `IDENTICAL`.

    Returns:
        ``psnr_median_db``; ``psnr_p10_db``, the 10th percentile, interpolated between samples;
        ``psnr_worst_db``; and ``flips``, the number of samples below `FLIP`.
    """
    db = np.asarray(psnrs, dtype=float)
    db = np.where(np.isfinite(db), db, IDENTICAL)
    return {
        "psnr_median_db": float(np.median(db)),
        "psnr_p10_db": float(np.quantile(db, 0.1)),
        "psnr_worst_db": float(db.min()),
        "flips": int((db < FLIP).sum()),
    }


def _skip_lengths(rows: Sequence[SampleRow]) -> dict[str, int]:
    """Returns how often each skip length occurs."""
    counts = Counter(arm for row in rows for arm in row.arms)
    return {str(length): counts[length] for length in sorted(counts)}


def _speedups(summary: dict[str, Any], rows: Sequence[SampleRow]) -> None:
    for name, sums in (
        ("speedup_calls", [(r.calls_full, r.calls) for r in rows]),
        (
            "speedup_wall",
            [(r.seconds_full.denoise, r.seconds.denoise) for r in rows if r.seconds_full],
        ),
    ):
        for ending, part in (("", sums), ("_last20", sums[-LAST:])):
            if part:
                reference, skipped = zip(*part, strict=True)
                value, low, high = bootstrap_ratio(reference, skipped)
                summary[name + ending] = value
                summary["intervals"][name + ending] = [low, high]


def _means(summary: dict[str, Any], rows: Sequence[SampleRow]) -> None:
    """Adds the mean of every metric, without the infinite PSNRs of identical images."""
    names = sorted({name for row in rows for name in row.metrics} - {"score"})
    for name in names:
        values = [r.metrics[name] for r in rows if name in r.metrics]
        finite = [v for v in values if math.isfinite(v)]
        if len(finite) < len(values):
            summary[f"{name}_identical"] = len(values) - len(finite)
        if finite:
            summary[name], low, high = bootstrap_mean(finite)
            summary["intervals"][name] = [low, high]
            summary[f"{name}_min"] = min(finite)


def _fidelity(summary: dict[str, Any], rows: Sequence[SampleRow]) -> None:
    """Adds the spread of the PSNR, over all samples and over those that skipped something."""
    measured = [r for r in rows if PSNR in r.metrics]
    with_skips = [r for r in measured if r.calls < r.calls_full]
    for ending, part in (("", measured), ("_with_skips", with_skips)):
        if part:
            spread = psnr_spread([r.metrics[PSNR] for r in part])
            summary.update({name + ending: value for name, value in spread.items()})
    if measured:
        summary["samples_with_skips"] = len(with_skips)


def add_learning(summary: dict[str, Any], calls: float) -> None:
    """Adds the network calls that learning took beyond those of the samples, if there are any.

    Args:
        summary: what `summarise` returned.
        calls: the network calls; ``learning_runs`` is their number in reference runs.
    """
    if calls:
        summary["learning_calls"] = calls
        if reference := summary.get("calls_full"):
            summary["learning_runs"] = calls / reference


def _scores(summary: dict[str, Any], rows: Sequence[SampleRow]) -> None:
    """Adds the task score, with and without skipping, and their paired difference."""
    score = [r.metrics["score"] for r in rows if "score" in r.metrics]
    both = [
        (r.metrics["score"], r.metrics_of("full")["score"])
        for r in rows
        if "score" in r.metrics and "score" in r.metrics_of("full")
    ]
    table = {"score": score}
    if both:
        table |= {
            "score_full": [reference for _, reference in both],
            "score_difference": [skipped - reference for skipped, reference in both],
        }
    for name, values in table.items():
        if values:
            summary[name], low, high = bootstrap_mean(values)
            summary["intervals"][name] = [low, high]


def headline(summary: dict[str, Any]) -> str:
    """Returns the summary in a few lines of text, for the end of the command."""
    s, intervals = summary, summary["intervals"]
    lines = [
        f"{s['model']} · {s['policy']} · {s['extrapolator']} · {s['corrector']}: "
        f"{s['samples']} samples of {s['steps']} steps"
        + (f", {s['failed']} FAILED" if s["failed"] else "")
    ]

    def between(name: str, form: str) -> str:
        low, high = intervals[name]
        return f"({form.format(low)} to {form.format(high)})"

    if "calls_mean" in s:
        lines.append(
            f"calls     {s['calls_full']:.1f} -> {s['calls_mean']:.1f} a sample, "
            f"{s['calls_last20']:.1f} over the last {min(LAST, s['samples'])}"
        )
        lines.append(
            f"speed-up  {s['speedup_calls']:.2f} by calls, "
            f"{s['speedup_calls_last20']:.2f} over the last {min(LAST, s['samples'])}"
            + (
                f"; {s['speedup_wall']:.2f} by wall time {between('speedup_wall', '{:.2f}')}, "
                f"{s['speedup_wall_last20']:.2f} over the last {min(LAST, s['samples'])}"
                if "speedup_wall" in s
                else ""
            )
        )
    if "psnr_db" in s:
        lines.append(
            f"fidelity  PSNR {s['psnr_db']:.1f} dB {between('psnr_db', '{:.1f}')} and "
            f"SSIM {s['ssim']:.4f} against the reference run"
        )
    if "psnr_median_db" in s:
        lines.append(
            f"          median {s['psnr_median_db']:.1f} dB, worst {s['psnr_worst_db']:.1f} dB, "
            f"{s['flips']} flip{'' if s['flips'] == 1 else 's'} (below {FLIP:.0f} dB)"
        )
    if "learning_calls" in s:
        lines.append(f"learning  {s['learning_calls']:.0f} network calls besides the samples'")
    if "score_full" in s:
        lines.append(
            f"score     {s['score_full']:.3f} without skipping -> {s['score']:.3f} with it, "
            f"difference {s['score_difference']:+.3f} {between('score_difference', '{:+.3f}')}"
        )
    elif "score" in s:
        lines.append(f"score     {s['score']:.3f} {between('score', '{:.3f}')}")
    lines += [f"note      {text}" for text in (*s.get("warnings", ()), *s.get("left_out", ()))]
    return "\n".join(lines)
