"""The best of our methods beside the best other method, at each target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fastflow.comparison.table import ANCHOR, UNUSABLE, Psnrs, TableRow
from fastflow.evaluation.bootstrap import Interval, repeated_mean
from fastflow.evaluation.summary import PSNR

NO_PEERS = ("ours", ANCHOR, *UNUSABLE)


@dataclass(frozen=True)
class Finding:
    """The best of our methods and the best of the others at one target.

    Args:
        target: the number of computed steps.
        ours: the name of our best method.
        peer: the name of the best other method.
        psnr_ours: the PSNR of our method to the reference run, in dB.
        psnr_peer: the PSNR of the other method.
        difference: the paired difference, ours minus the other's.
    """

    target: int
    ours: str
    peer: str
    psnr_ours: Interval
    psnr_peer: Interval
    difference: Interval

    @property
    def is_distinguishable(self) -> bool:
        """Whether the interval of the paired difference leaves out 0.

        Whether the two single intervals overlap says nothing about that: both contain how much
        the samples vary, which the difference does not.
        """
        return leaves_out_zero(self.difference)


def leaves_out_zero(difference: Interval) -> bool:
    """Returns whether the interval of a paired difference does not contain 0."""
    return not difference[1] <= 0 <= difference[2]


def difference_of(own: Psnrs, others: Psnrs) -> Interval:
    """Returns the paired difference of two rows in dB, with its interval.

    Args:
        own: the PSNR in dB of each seed's samples, by their index.
        others: those of the other row, from which they are subtracted.
    """
    pairs = zip(own, others, strict=True)
    return repeated_mean([{i: a[i] - b[i] for i in a if i in b} for a, b in pairs])


def findings(
    targets: Sequence[int],
    groups: Iterable[str],
    rows_at: Callable[[int], Sequence[TableRow]],
    psnrs: Mapping[tuple[str, int], Psnrs],
) -> Iterator[Finding]:
    """Yields our best method and the best other method at each target.

    Args:
        targets: the numbers of computed steps.
        groups: all groups of methods.
        rows_at: returns the rows at a target that did not fail.
        psnrs: the PSNR in dB of each seed's samples by their index, by method and target.
    """
    peers = {group for group in [*groups, "others"] if group not in NO_PEERS}
    for target in targets:
        ours = best_of_ours(rows_at(target))
        rivals = [r for r in rows_at(target) if r.group in peers and r.is_within_target]
        peer = highest(rivals)
        if ours is not None and peer is not None:
            own, others = psnrs[ours.method, target], psnrs[peer.method, target]
            both = ours.fidelity[PSNR], peer.fidelity[PSNR]
            yield Finding(target, ours.method, peer.method, *both, difference_of(own, others))


def best_of_ours(rows: Iterable[TableRow], part: str = "fidelity") -> TableRow | None:
    """Returns our row of highest PSNR; a marked one is never the best.

    Args:
        rows: rows of any groups.
        part: ``fidelity`` for the PSNR to the reference run, ``converged`` for the converged one.
    """
    return highest((row for row in rows if row.group == "ours" and not row.is_marked), part)


def highest(rows: Iterable[TableRow], part: str = "fidelity") -> TableRow | None:
    """Returns the row with the highest mean PSNR; None if none has one."""
    measured = [row for row in rows if PSNR in getattr(row, part)]
    return max(measured, key=lambda row: getattr(row, part)[PSNR][0], default=None)


def above_oracles(rows: Sequence[TableRow], target: int) -> str:
    """Returns a sentence if a row has a higher PSNR than every oracle at a target; else empty."""
    oracle = highest(row for row in rows if row.group == "oracle")
    best = highest(row for row in rows if row.group not in NO_PEERS or row.group == "ours")
    if oracle is None or best is None or (best.psnr or 0.0) <= (oracle.psnr or 0.0):
        return ""
    return (
        f"At {target}, {best.method} has a higher PSNR live ({best.psnr:.1f} dB) than every "
        f"oracle (the highest is {oracle.method}, {oracle.psnr:.1f} dB): an oracle is best by the "
        "cost that the recorded velocities predict for its scheme, not by what happens when it "
        "runs"
    )
