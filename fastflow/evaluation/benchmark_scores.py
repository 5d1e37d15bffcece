"""The official numbers of a run: in full, with skipping, and the paired difference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastflow.evaluation.benchmark import Benchmark
from fastflow.evaluation.bootstrap import bootstrap_groups
from fastflow.evaluation.measurement import SIDES, SampleRow

Row = dict[str, Any]
Groups = dict[str, float]


def benchmark_scores(name: str, benchmark: Benchmark, rows: Sequence[SampleRow]) -> Row | None:
    """Returns a benchmark's totals and the groups that they are made of.

    Args:
        name: the benchmark's name.
        benchmark: what says which groups and totals there are.
        rows: the samples' rows.

    Returns:
        ``name``, and ``rows``, totals first: ``name``, ``total``, ``samples``, and ``full``,
        ``skipped`` and ``difference`` (skipped minus full, over the samples that have both), each
        a value and its 95 % interval, or None. None if nothing was scored.
    """
    drawn = [row for row in rows if row.item and not row.failure]
    sides = {side: [_groups(benchmark, row, side) for row in drawn] for side in SIDES}
    both = zip(sides["skipped"], sides["full"], strict=True)
    sides["difference"] = [{g: a[g] - b[g] for g in a if g in b} for a, b in both]
    tasks = [row.task for row in drawn]
    lines: dict[tuple[bool, str], Row] = {}
    for side, found in sides.items():
        for line in _lines(benchmark, found, tasks, side):
            known = lines.setdefault((not line["total"], line["name"]), _EMPTY | line)
            known |= line | {"samples": max(known["samples"], line["samples"])}
    ordered = sorted(lines, key=lambda key: key[0])
    return {"name": name, "rows": [lines[key] for key in ordered]} if lines else None


def as_text(found: Row) -> str:
    """Returns the table for the command line."""
    width = max(len(row["name"]) for row in found["rows"])
    lines = [f"{found['name']:<{width}}  samples     full  skipped  difference (95 % interval)"]
    for row in found["rows"]:
        full, skipped = (f"{row[s][0]:.4f}" if row[s] else "-" for s in ("full", "skipped"))
        change = row["difference"]
        text = "{:+.4f} ({:+.4f} to {:+.4f})".format(*change) if change else "-"
        numbers = f"{row['samples']:>7}  {full:>7}  {skipped:>7}  {text}"
        lines.append(f"{row['name']:<{width}}  {numbers}")
    return "\n".join(lines)


_EMPTY: Row = {"full": None, "skipped": None, "difference": None}


def _groups(benchmark: Benchmark, row: SampleRow, side: str) -> Groups:
    values = {name: v for name, v in row.metrics_of(side).items() if math.isfinite(v)}
    return benchmark.groups(row.item, values)


def _lines(
    benchmark: Benchmark, found: Sequence[Groups], tasks: Sequence[str], side: str
) -> Iterator[Row]:
    """Yields the totals and groups of one side, over the samples that are in any."""
    scored = [(groups, task) for groups, task in zip(found, tasks, strict=True) if groups]
    names = list(dict.fromkeys(name for groups, _ in scored for name in groups))
    if not names:
        return
    values = np.array([[groups.get(name, np.nan) for name in names] for groups, _ in scored])
    means = bootstrap_groups(values, [task for _, task in scored])

    def line(name: str, total: bool, used: np.ndarray, numbers: np.ndarray) -> Row:
        samples = int((~np.isnan(values[:, used])).any(axis=1).sum())
        low, high = np.nanquantile(numbers[1:], [0.025, 0.975])
        interval = [float(numbers[0]), float(low), float(high)]
        return {"name": name, "total": total, "samples": samples, side: interval}

    for total in benchmark.totals(names):
        weights = np.array([total.weights.get(name, 0.0) for name in names])
        constant = 0.0 if side == "difference" else total.constant
        used = weights != 0
        yield line(total.name, True, used, means[:, used] @ weights[used] + constant)
    for i, name in enumerate(names):
        yield line(name, False, np.arange(len(names)) == i, means[:, i])
