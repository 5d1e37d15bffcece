"""How often a method is near the best that any usable method reached on a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from fastflow.comparison.table import UNUSABLE, Key, Psnrs, TableRow

NEAR = 1.0  # dB; how far below a sample's best a PSNR counts as near it


def with_near_best(table: Sequence[TableRow], psnrs: Mapping[Key, Psnrs]) -> list[TableRow]:
    """Adds to each row the share of samples within `NEAR` of the best at its target.

    A sample's best is the highest PSNR of any method at that target, without those that are not
    for use and those that take more steps than the target.

    Args:
        table: the rows.
        psnrs: the PSNR in dB of each seed's samples by their index, by method and target.
    """
    best: dict[tuple[int, int, int], float] = {}
    for row in table:
        if row.group not in UNUSABLE and row.is_within_target and row.psnr is not None:
            for place, db in _places(psnrs[row.method, row.target]):
                key = (row.target, *place)
                best[key] = max(db, best.get(key, 0.0))

    def completed(row: TableRow) -> TableRow:
        own = _places(psnrs.get((row.method, row.target), ()))
        near = [db >= best[key] - NEAR for p, db in own if (key := (row.target, *p)) in best]
        if not near or not row.psnr_spread:
            return row
        return replace(row, psnr_spread=row.psnr_spread | {"near_best_share": fmean(near)})

    return [completed(row) for row in table]


def _places(psnrs: Psnrs) -> Iterator[tuple[tuple[int, int], float]]:
    """Yields the number of the seed and the index of each sample, and its PSNR."""
    for number, one in enumerate(psnrs):
        yield from (((number, index), db) for index, db in one.items())
