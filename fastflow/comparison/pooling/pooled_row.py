"""One method at one target over several seeds: its mean, its spread, and how far its peer is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from fastflow.comparison.checks import ComparisonResults
from fastflow.comparison.fairness.findings import difference_of, leaves_out_zero
from fastflow.comparison.table import ANCHOR, UNUSABLE, Key, TableRow, psnr_shares
from fastflow.comparison.tuning import CLOSE_ENOUGH
from fastflow.evaluation.bootstrap import Interval, repeated_mean


@dataclass(frozen=True)
class SeedResults:
    """The results of one of the comparisons that are pooled.

    Args:
        seed: its seed.
        results: its table.
        psnrs: the PSNR in dB of each sample by its index, by method and target.
    """

    seed: int
    results: ComparisonResults
    psnrs: Mapping[Key, Mapping[int, float]]

    def row(self, key: Key) -> TableRow | None:
        """Returns the row of a method at a target; None if it is missing or has no PSNR."""
        found = (row for row in self.results.table if (row.method, row.target) == key)
        return next((row for row in found if row.psnr is not None), None)


@dataclass(frozen=True)
class PooledRow:
    """A method at a target, over seeds; intervals cover seeds and samples (`repeated_mean`).

    Args:
        method: the name of the method.
        group: the group that it is shown in.
        target: the number of computed steps that the method should take.
        steps: the mean number of computed steps.
        reached: whether it is at its target with every seed: within a quarter of a step, or
            interpolated to it.
        marks: why it does not count as what its name and its target say; empty if it does.
        notes: what else there is to know, such as between which knobs it is interpolated.
        psnr: the mean PSNR to the reference run in dB, with its 95 % interval.
        psnr_of_seeds: the mean PSNR of each seed.
        between_seeds: the standard deviation of those means, in dB.
        psnr_spread: ``median_db``, ``p10_db``, ``worst_db`` and ``flip_share`` over all samples of
            all seeds, and the mean over seeds of ``near_best_share``.
        learning_runs: the mean number of network calls of learning, in reference runs.
        peer: the best method of the other groups at this target; empty if there is none.
        difference: the paired difference in PSNR to the peer, in dB; None without one.
    """

    method: str
    group: str
    target: int
    steps: float
    reached: bool
    marks: str
    notes: str
    psnr: Interval
    psnr_of_seeds: dict[str, float]
    between_seeds: float
    psnr_spread: dict[str, float]
    learning_runs: float
    peer: str = ""
    difference: Interval | None = None
    psnrs: Sequence[Mapping[int, float]] = field(default=(), repr=False)

    @property
    def is_distinguishable(self) -> bool | None:
        """Whether the interval of the difference leaves out 0; None without a peer."""
        if self.difference is None:
            return None
        return leaves_out_zero(self.difference)

    def to_dict(self) -> dict[str, Any]:
        """Returns the numbers in JSON types, without those of the samples."""
        content = asdict(replace(self, psnrs=()))
        del content["psnrs"]
        return content | {"is_distinguishable": self.is_distinguishable}


def pooled_rows(comparisons: Sequence[SeedResults]) -> Iterator[PooledRow]:
    """Yields a row for each method and target that every comparison has.

    They come in the order of the targets, the highest mean PSNR first.

    Args:
        comparisons: the results of each seed, two or more, of the same settings.
    """
    for target in comparisons[0].results.settings.targets:
        names = (row.method for row in comparisons[0].results.table if row.target == target)
        read = (_pooled(comparisons, (name, target)) for name in names)
        rows = [row for row in read if row is not None]
        rows.sort(key=lambda row: -row.psnr[0])
        yield from (_with_peer(row, rows) for row in rows)


def _pooled(comparisons: Sequence[SeedResults], key: Key) -> PooledRow | None:
    own = [row for one in comparisons if (row := one.row(key))]
    if len(own) < len(comparisons):
        return None
    psnrs = [one.psnrs[key] for one in comparisons]
    means = [fmean(values.values()) for values in psnrs]
    near = [row.psnr_spread["near_best_share"] for row in own if _has_near(row)]
    spread = psnr_shares([db for values in psnrs for db in values.values()])
    return PooledRow(
        method=own[0].method,
        group=own[0].group,
        target=own[0].target,
        steps=fmean(row.steps for row in own),
        reached=all(row.reached for row in own),
        marks=_told(comparisons, [row.marks for row in own]),
        notes=_told(comparisons, [row.notes for row in own]),
        psnr=repeated_mean(psnrs),
        psnr_of_seeds={str(o.seed): db for o, db in zip(comparisons, means, strict=True)},
        between_seeds=stdev(means) if len(means) > 1 else 0.0,
        psnr_spread=spread | ({"near_best_share": fmean(near)} if near else {}),
        learning_runs=fmean(row.learning_runs for row in own),
        psnrs=psnrs,
    )


def _told(comparisons: Sequence[SeedResults], texts: Sequence[str]) -> str:
    pairs = zip(comparisons, texts, strict=True)
    return "; ".join(f"seed {one.seed}: {text}" for one, text in pairs if text)


def _has_near(row: TableRow) -> bool:
    return "near_best_share" in row.psnr_spread


def _with_peer(row: PooledRow, rows: Sequence[PooledRow]) -> PooledRow:
    """Adds the best fair and usable row of the other groups; rows have the best first."""
    others = (r for r in rows if r.group not in (row.group, ANCHOR, *UNUSABLE))
    peer = next((r for r in others if r.steps <= r.target + CLOSE_ENOUGH), None)
    if peer is None:
        return row
    return replace(row, peer=peer.method, difference=difference_of(row.psnrs, peer.psnrs))
