"""The results of a comparison: its table, its checks and its findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.references import StoredReferences
from fastflow.comparison.rows import MethodRow
from fastflow.comparison.table import (
    ANCHOR,
    CONTROL,
    UNUSABLE,
    RowReader,
    TableRow,
    psnrs_of,
    with_near_best,
)
from fastflow.evaluation.bootstrap import Interval, bootstrap_mean
from fastflow.evaluation.measurement import SampleRow
from fastflow.evaluation.summary import PSNR

NO_PEERS = ("ours", ANCHOR, *UNUSABLE)


@dataclass(frozen=True)
class Check:
    """Something that must hold in a valid comparison, however good the methods are.

    Args:
        what: what must hold.
        holds: whether it holds; None if it could not be checked.
        why: the reason.
    """

    what: str
    holds: bool | None
    why: str


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
    def is_apart(self) -> bool:
        """Whether our interval lies entirely above the other."""
        return self.psnr_ours[1] > self.psnr_peer[2]

    @property
    def is_distinguishable(self) -> bool:
        """Whether the interval of the paired difference leaves out 0."""
        return not self.difference[1] <= 0 <= self.difference[2]


@dataclass
class ComparisonResults:
    """All results of a comparison.

    Attributes:
        settings: the settings of the comparison.
        model: the name of the model.
        branches: the number of network calls of one computed step.
        reference: the reference run's scores and its distance to the converged run.
        noise_floor: the reference run in another batch size, which differs by rounding alone.
        table: a row for each method and target.
        checks: what must hold in a valid comparison.
        findings: our best method and the best other, for each target.
        left_out: what is missing from the comparison, and why.
    """

    settings: ComparisonSettings
    model: str
    branches: float
    reference: TableRow
    noise_floor: TableRow
    table: list[TableRow]
    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def at(self, target: int, groups: Iterable[str] | None = None) -> list[TableRow]:
        """Returns the rows at a target that did not fail, of some groups or of all."""
        among = None if groups is None else set(groups)
        return [
            row
            for row in self.table
            if row.target == target and not row.failure and (among is None or row.group in among)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Returns all results in JSON types."""
        content = asdict(self)
        for entry, finding in zip(content["findings"], self.findings, strict=True):
            entry["is_apart"] = finding.is_apart
            entry["is_distinguishable"] = finding.is_distinguishable
        return content


def evaluate(
    settings: ComparisonSettings,
    model: str,
    references: StoredReferences,
    rows: Sequence[MethodRow],
) -> ComparisonResults:
    """Evaluates the rows of a comparison: its table, checks and findings.

    Args:
        settings: the settings of the comparison.
        model: the name of the model.
        references: the measurements of the reference runs.
        rows: the rows measured so far.
    """
    by_index = {row.index: row for row in references.reference}
    reader = RowReader(settings, references.branches, by_index)

    def read(name: str, samples: list[SampleRow]) -> TableRow:
        return reader.read(MethodRow(name, settings.steps, samples=samples))

    psnrs = {(row.method, row.target): psnrs_of(row.samples) for row in rows}
    results = ComparisonResults(
        settings,
        model,
        references.branches,
        read("reference", references.reference),
        read("reference, other batch size", references.noise_floor),
        with_near_best([reader.read(row) for row in rows], psnrs),
    )
    results.left_out = list(dict.fromkeys(f"{r.method}: {r.failure}" for r in rows if r.failure))
    results.checks = list(checks(results, references.identical_at_zero))
    results.findings = list(findings(results, psnrs))
    return results


def checks(results: ComparisonResults, identical: Mapping[str, bool]) -> Iterable[Check]:
    """Yields what must hold in a valid comparison."""
    yield _falls(results)
    yield _below_noise_floor(results)
    for name, same in identical.items():
        what = f"With its knob at 0, `{name}` is the reference run, bit for bit"
        yield Check(what, same, "identical" if same else "different")
    yield _control_last(results)


def _falls(results: ComparisonResults) -> Check:
    what = "The error of oracle schedules falls with the number of calls"
    names = dict.fromkeys(row.method for row in results.table if row.group == "oracle")
    wrong, checked = [], 0
    for name in names:
        rows = [row for row in results.table if row.method == name and not row.failure]
        by_calls = sorted(rows, key=lambda row: row.calls)
        values = [row.psnr for row in by_calls if row.psnr is not None]
        checked += len(values) > 1
        if any(b <= a for a, b in pairwise(values)):
            wrong.append(name)
    why = f"not for {', '.join(wrong)}" if wrong else "PSNR rises with the calls of every oracle"
    if not checked:
        why = "only one target was reached" if names else "no oracle to check"
    return Check(what, not wrong if checked else None, why)


def _below_noise_floor(results: ComparisonResults) -> Check:
    what = "No method is closer to the reference run than that run in another batch size"
    rows = [row for row in results.table if row.psnr is not None]
    if not rows or results.noise_floor.psnr is None:
        return Check(what, None, "nothing was measured")
    best = max(rows, key=lambda row: row.psnr or 0.0)
    why = (
        f"{results.noise_floor.psnr:.1f} dB; the closest method, {best.method}, has "
        f"{best.psnr:.1f} dB"
    )
    return Check(what, (best.psnr or 0.0) <= results.noise_floor.psnr, why)


def _control_last(results: ComparisonResults) -> Check:
    what = "The negative control has the lowest PSNR"
    wrong, checked = [], 0
    for target in results.settings.targets:
        rows = [row for row in results.at(target) if row.psnr is not None]
        controls = [row for row in rows if row.group == CONTROL]
        others = [row for row in rows if row.group != CONTROL]
        if controls and others:
            checked += 1
            worst = min(row.psnr or 0.0 for row in others)
            if max(row.psnr or 0.0 for row in controls) >= worst:
                wrong.append(str(target))
    if not checked:
        return Check(what, None, "no negative control to check")
    return Check(what, not wrong, f"not at {', '.join(wrong)}" if wrong else "at every target")


def findings(
    results: ComparisonResults, psnrs: Mapping[tuple[str, int], Mapping[int, float]]
) -> Iterable[Finding]:
    """Yields our best method and the best other method at each target.

    Args:
        results: the results, with their table.
        psnrs: the PSNR in dB of each sample by its index, by method and target.
    """
    peers = [group for group in [*results.settings.groups, "others"] if group not in NO_PEERS]
    for target in results.settings.targets:
        ours = _best(results.at(target, ["ours"]))
        peer = _best(row for row in results.at(target, peers) if row.reached)
        if ours is None or peer is None:
            continue
        own, others = psnrs[ours.method, target], psnrs[peer.method, target]
        yield Finding(
            target,
            ours.method,
            peer.method,
            ours.fidelity[PSNR],
            peer.fidelity[PSNR],
            bootstrap_mean([own[i] - others[i] for i in own]),
        )


def _best(rows: Iterable[TableRow]) -> TableRow | None:
    """Returns the row with the highest PSNR among those at most one step above the target."""
    fair = [row for row in rows if row.psnr is not None and row.steps <= row.target + 1]
    return max(fair, key=lambda row: row.psnr or 0.0, default=None)
