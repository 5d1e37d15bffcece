"""Rows that are fewer than the processes: each is measured by several, in blocks of prompts."""

from __future__ import annotations

from collections.abc import Sequence

from fastflow.comparison.cells.row_work import Begun, Cell, RowWork, failed
from fastflow.evaluation.measurement import SampleRow
from fastflow.sampling.request import Request

Block = tuple[int, Sequence[Request]]  # the number of a row, and what is to be generated


def measure_in_blocks(work: RowWork, cells: Sequence[Cell], name: str) -> None:
    """Measures rows with all processes, and writes them.

    One process tunes a row and lets its method learn; what it learned goes to the others. The
    samples of a method that learns from each for the next stay in one block.

    Args:
        work: measures rows, in this process.
        cells: the rows; the same in every process.
        name: the name of this work.
    """
    begun = work.worker.spread(f"{name} begun", cells, lambda cell: work.begin(cell[1], cell[0]))
    blocks = [block for i, one in enumerate(begun) for block in _blocks(work, i, one)]

    def measured(block: Block) -> list[SampleRow] | Exception:
        try:
            return work.measured(begun[block[0]], block[1])
        except Exception as error:
            return error

    parts = work.worker.spread(f"{name} blocks", blocks, measured)
    for i, one in enumerate(begun):
        found = [part for (row, _), part in zip(blocks, parts, strict=True) if row == i]
        if one.by == work.worker.rank:
            _finish(work, one, found)


def _blocks(work: RowWork, number: int, begun: Begun) -> list[Block]:
    requests, size = work.measure.requests, work.settings.max_batch
    if begun.tuned is None:
        return []
    if not begun.tuned.method.is_separable(work.measure.bench, begun.tuned.learned):
        return [(number, requests)]
    return [(number, requests[start : start + size]) for start in range(0, len(requests), size)]


def _finish(work: RowWork, begun: Begun, parts: Sequence[list[SampleRow] | Exception]) -> None:
    row = begun.row
    errors = [part for part in parts if isinstance(part, Exception)]
    if errors:
        row = failed(row, errors[0])
    elif begun.tuned is not None:
        rows = [one for part in parts if isinstance(part, list) for one in part]
        row.samples = sorted(rows, key=lambda one: one.index)
        row = work.complete(begun)
    work.directory.keep(row)
