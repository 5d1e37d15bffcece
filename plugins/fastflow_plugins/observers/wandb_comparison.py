"""What W&B shows of a comparison: quality against calls, and all methods side by side."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from fastflow.sampling import read_text
from fastflow_plugins.observers.wandb_tables import wandb_media, wandb_table

_CURVES = {  # of comparison.csv, and what they are called
    "calls": "calls",
    "fidelity.psnr_db": "psnr_db",
    "fidelity.ssim": "ssim",
    "seconds": "seconds",
    "speedup_wall": "speedup_wall",
}


def comparison_log(run_dir: Path, images: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Returns a comparison's curves over the targets, and its tables by name.

    Args:
        run_dir: the comparison's directory.
        images: the number of samples, from the first on, whose outputs are in the table.
    """
    text = read_text(run_dir / "comparison.csv", "the table", "a comparison's comparison.csv")
    lines = list(csv.DictReader(StringIO(text, newline="")))
    rows = [{name: _value(value) for name, value in line.items()} for line in lines]
    columns = list(rows[0]) if rows else []
    tables = {"comparison": wandb_table(columns, [list(row.values()) for row in rows])}
    measured = [row for row in rows if not str(row["method"]).startswith("reference")]
    side_by_side = _side_by_side(run_dir, measured, images)
    return list(_curves(measured)), tables | {"side_by_side": side_by_side}


def comparison_summary(results: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the findings of a comparison, by target, as ``gain_db/TARGET``."""
    findings = results.get("findings", ())
    gains = {f"gain_db/{f['target']}": f["difference"][0] for f in findings}
    return {"seeds": results.get("seeds"), "left_out": results.get("left_out", [])} | gains


def _value(text: str | None) -> str | float | None:
    """Returns a number if a text is one; None for an empty one."""
    try:
        number = float(text or "")
    except ValueError:
        return text or None
    return number if math.isfinite(number) else None


def _curves(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields, for each target from the smallest on, the numbers of all methods."""
    for target in sorted({row["target"] for row in rows}):
        curve = {"target": target}
        for row in rows:
            if row["target"] == target:
                named = {f"{name}/{row['method']}": row.get(key) for key, name in _CURVES.items()}
                curve |= {name: value for name, value in named.items() if value is not None}
        yield curve


def _side_by_side(run_dir: Path, rows: Sequence[Mapping[str, Any]], images: int) -> Any:
    """Returns the table of examples: the prompt, the full run's output and every method's."""
    from fastflow.comparison import ComparisonDirectory

    directory = ComparisonDirectory.existing(run_dir)
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    targets = list(dict.fromkeys(int(row["target"]) for row in rows))
    prompts = directory.references().prompts[:images]

    def shown(method: str, target: int | None, index: int) -> Any:
        path = directory.example(method, target, index)
        return path and wandb_media(run_dir, path.relative_to(run_dir).as_posix())

    data = [
        [index, prompt, target, shown("source", None, index), shown("reference", None, index)]
        + [shown(method, target, index) for method in methods]
        for index, prompt in enumerate(prompts)
        for target in targets
        if directory.example("reference", None, index)
    ]
    return wandb_table(["sample", "prompt", "target", "source", "full", *methods], data)
