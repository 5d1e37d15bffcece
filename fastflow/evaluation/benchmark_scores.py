"""The official numbers of a run: of the reference run, with skipping, and their difference."""

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
    """Returns a benchmark's totals and the groups of which they are made.

    Args:
        name: the benchmark's name.
        benchmark: defines the groups and totals.
        rows: the samples' rows.

    Returns:
        ``name``, and ``rows``, totals first: ``name``, ``total``, ``samples``, and ``full`` (the
        reference run), ``skipped`` and ``difference`` (skipped minus full, paired over the samples
        that have both), each a value with its 95 % interval, or None. None if nothing was scored.
    """
    valid = [row for row in rows if row.item and not row.failure]
    sides = {side: [_groups(benchmark, row, side) for row in valid] for side in SIDES}
    both = zip(sides["skipped"], sides["full"], strict=True)
    sides["difference"] = [{g: a[g] - b[g] for g in a if g in b} for a, b in both]
    tasks = [row.task for row in valid]
    table: dict[tuple[bool, str], Row] = {}
    for side, groups in sides.items():
        for part in _rows(benchmark, groups, tasks, side):
            row = table.setdefault((not part["total"], part["name"]), _EMPTY | part)
            row |= part | {"samples": max(row["samples"], part["samples"])}
    ordered = sorted(table, key=lambda key: key[0])
    return {"name": name, "rows": [table[key] for key in ordered]} if table else None


def as_text(scores: Row) -> str:
    """Returns the table of `benchmark_scores` as text for the command line."""
    width = max(len(row["name"]) for row in scores["rows"])
    lines = [f"{scores['name']:<{width}}  samples     full  skipped  difference (95 % interval)"]
    for row in scores["rows"]:
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


def _rows(
    benchmark: Benchmark, samples: Sequence[Groups], tasks: Sequence[str], side: str
) -> Iterator[Row]:
    """Yields the totals and groups of one side, over the samples that are in a group."""
    scored = [(groups, task) for groups, task in zip(samples, tasks, strict=True) if groups]
    names = list(dict.fromkeys(name for groups, _ in scored for name in groups))
    if not names:
        return
    values = np.array([[groups.get(name, np.nan) for name in names] for groups, _ in scored])
    means = bootstrap_groups(values, [task for _, task in scored])

    def row(name: str, total: bool, used: np.ndarray, numbers: np.ndarray) -> Row:
        samples = int((~np.isnan(values[:, used])).any(axis=1).sum())
        low, high = np.nanquantile(numbers[1:], [0.025, 0.975])
        interval = [float(numbers[0]), float(low), float(high)]
        return {"name": name, "total": total, "samples": samples, side: interval}

    for total in benchmark.totals(names):
        weights = np.array([total.weights.get(name, 0.0) for name in names])
        constant = 0.0 if side == "difference" else total.constant
        used = weights != 0
        yield row(total.name, True, used, means[:, used] @ weights[used] + constant)
    for i, name in enumerate(names):
        yield row(name, False, np.arange(len(names)) == i, means[:, i])
