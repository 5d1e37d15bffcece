"""The table of a sweep's runs, as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastflow.sampling.storage import read_object
from fastflow.sweeps.sweep_folder import Sweep, SweepFolder, SweptRun

MAIN_MEASURES = {  # of summary.json, with how they are shown
    "calls_mean": "{:.1f}",
    "speedup_calls": "{:.2f}",
    "psnr_db": "{:.1f}",
    "ssim": "{:.4f}",
    "score": "{:.3f}",
}
WIDEST = 40  # characters of a setting's value


def sweep_table(sweep: Sweep, folder: SweepFolder) -> str:
    """Returns a line for each run: its settings, what became of it, and its main measures."""
    summaries = [_summary(folder, run) for run in sweep.runs]
    measures = [name for name in MAIN_MEASURES if any(name in summary for summary in summaries)]
    lines = [["run", *sweep.swept, "status", *measures]]
    for run, summary in zip(sweep.runs, summaries, strict=True):
        values = {key: value for key, _, value in (w.partition("=") for w in run.overrides)}
        settings = [values.get(name, "")[:WIDEST] for name in sweep.swept]
        shown = [MAIN_MEASURES[m].format(summary[m]) if m in summary else "" for m in measures]
        lines.append([run.path, *settings, run.status, *shown])
    texts = [_aligned(lines)]
    texts += [f"run {run.path} failed: {run.error}" for run in sweep.failed]
    return "\n".join(texts)


def _summary(folder: SweepFolder, run: SweptRun) -> Mapping[str, Any]:
    """Returns the numbers in a run's summary; nothing if it has none that can be read."""
    try:
        content = read_object(folder.path / run.path / "summary.json")
    except (OSError, ValueError):
        return {}
    return {
        name: content[name]
        for name in MAIN_MEASURES
        if isinstance(content.get(name), (int, float))
    }


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)
