"""Tables for W&B, read from a run directory: samples side by side, and decisions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fastflow.evaluation import SampleRow
from fastflow.sampling import read_objects

_DECISIONS = ("sample", "step", "arm", "error", "propensity", "reward")


def wandb_media(run_dir: Path, name: str | None, caption: str | None = None) -> Any:
    """Returns an output's file in W&B's type; None if there is none."""
    import wandb

    if name is None or not (run_dir / name).is_file():
        return None
    if name.endswith(".mp4"):
        return wandb.Video(str(run_dir / name), caption=caption, format="mp4")
    return wandb.Image(str(run_dir / name), caption=caption)


def run_rows(run_dir: Path) -> list[SampleRow]:
    """Returns the rows of a run's finished samples, by their number."""
    lines = read_objects(run_dir / "samples.jsonl", "", "a run directory")
    rows = (SampleRow.from_json(content, where) for where, content in lines)
    return sorted(rows, key=lambda row: row.index)


def run_tables(run_dir: Path, images: int) -> dict[str, Any]:
    """Returns the tables of a run, by name.

    Args:
        run_dir: the run directory; a run that was resumed has everything in it.
        images: the number of samples, from the first on, whose outputs are in the table.
    """
    rows = run_rows(run_dir)
    lines = (content for _, content in read_objects(run_dir / "records.jsonl", "", "a run"))
    decisions = [[line.get(name) for name in _DECISIONS] for line in lines if line.get("taken")]
    tables = {"decisions": wandb_table(_DECISIONS, decisions)} if decisions else {}
    return tables | {"samples": _samples(run_dir, rows, images)}


def _samples(run_dir: Path, rows: Sequence[SampleRow], images: int) -> Any:
    """Returns the table of samples: the prompt, the full run's output and the skipped one's."""
    metrics = sorted({name for row in rows for name in row.metrics})
    columns = ["sample", "prompt", "task", "seed", "source", "full", "skipped", "calls"]
    data = []
    for row in rows:
        files = (row.image_source, row.image_full, row.image)
        shown = [wandb_media(run_dir, name) if row.index < images else None for name in files]
        numbers = [_finite(row.metrics.get(name)) for name in metrics]
        data.append([row.index, row.prompt, row.task, row.seed, *shown, row.calls, *numbers])
    return wandb_table([*columns, *metrics], data)


def _finite(value: float | None) -> float | None:
    """Returns a number, or None for the PSNR of identical outputs, which no JSON holds."""
    return value if value is not None and math.isfinite(value) else None


def wandb_table(columns: Sequence[str], data: Iterable[Sequence[Any]]) -> Any:
    """Returns a table of W&B without the columns that are empty."""
    import wandb

    rows = [list(row) for row in data]
    used = [i for i in range(len(columns)) if any(row[i] is not None for row in rows)]
    names: Any = [columns[i] for i in used]
    return wandb.Table(columns=names, data=[[row[i] for i in used] for row in rows])
