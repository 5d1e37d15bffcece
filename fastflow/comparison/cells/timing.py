"""Times, taken when all rows are measured: one at a time on each device, on one kind of device."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch

from fastflow.comparison.cells.row_work import Cell, RowWork
from fastflow.comparison.fairness.forecast import TunedMethod
from fastflow.comparison.rows import MethodRow
from fastflow.sampling.executor import kind_of_device


def time_rows(work: RowWork, name: str) -> None:
    """Times the rows that have no times yet, and writes them again.

    Of the processes that share a device one takes times, while the others wait. Those on another
    kind of device than the first process take none: their times could not be compared.

    Args:
        work: measures rows, in this process.
        name: the name of this work.
    """
    worker = work.worker
    worker.gather(None)  # here all wait until the last row is written
    cells = worker.from_first(lambda: _untimed(work))
    if not cells:
        return
    kind = kind_of_device(worker.device)
    kinds = worker.gather(kind)
    ready = {cell: one for part in worker.gather(_sendable(work.ready)) for cell, one in part}
    if worker.is_lead and kind == kinds[0]:
        for target, method in worker.claim(f"{name} times", cells):
            if row := work.directory.row(method, target):
                work.time(row, ready.get((target, method)) or work.tuned_again(row))
                work.directory.keep(row)
    worker.gather(None)


def of_one_kind(rows: Sequence[MethodRow]) -> tuple[list[MethodRow], str]:
    """Returns rows with the times of one kind of device only, and what was left out, in words.

    A comparison that was resumed on other hardware has several. The kind of most rows is taken.
    """
    kinds = Counter(row.timed_on for row in rows if row.pairs)
    if len(kinds) < 2:
        return list(rows), ""
    (kept, _), *others = kinds.most_common()
    told = ", ".join(f"{kind or 'an unknown device'} ({count} rows)" for kind, count in others)
    return (
        [row if row.timed_on == kept else replace(row, pairs=[]) for row in rows],
        f"Times are those on {kept or 'an unknown device'}; those on {told} are left out: times "
        "of different devices cannot be compared.",
    )


def _untimed(work: RowWork) -> list[Cell]:
    """Returns the finished rows without the times that they should have."""
    cells = [(target, name) for target in work.settings.targets for name in work.methods]
    found = {
        cell: work.directory.row(cell[1], cell[0]) for cell in cells if work.is_timed(cell[1])
    }
    return [cell for cell, row in found.items() if row and not row.failure and not row.pairs]


def _sendable(ready: dict[Cell, TunedMethod]) -> list[tuple[Cell, TunedMethod]]:
    """Returns what other processes can be given; the rest is learned again where it is timed."""
    found = []
    for cell, tuned in ready.items():
        try:
            torch.save(tuned, io.BytesIO())
        except Exception:
            continue
        found.append((cell, tuned))
    return found
