"""What had to hold in a comparison, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.references import StoredReferences
from fastflow.comparison.rows import MethodRow
from fastflow.comparison.table import PSNR, RowReader, TableRow, value_of
from fastflow.evaluation.bootstrap import Interval, bootstrap_mean
from fastflow.evaluation.measurement import SampleRow

CONTROL = "negative control"  # the group of methods that a sound comparison puts last
NO_PEERS = ("ours", "oracle", CONTROL)


@dataclass(frozen=True)
class Check:
    """Something that has to hold whatever the methods are worth.

    Args:
        what: what has to hold.
        holds: whether it does; None where it could not be looked at.
        why: what was seen.
    """

    what: str
    holds: bool | None
    why: str


@dataclass(frozen=True)
class Finding:
    """The best of ours and the best of the others at one target.

    Args:
        target: the number of computed steps.
        ours: the name of ours.
        peer: the name of theirs.
        psnr_ours: mean and interval.
        psnr_peer: likewise.
        difference: of the paired differences, ours minus theirs.
    """

    target: int
    ours: str
    peer: str
    psnr_ours: Interval
    psnr_peer: Interval
    difference: Interval

    @property
    def is_apart(self) -> bool:
        """Whether the two intervals do not overlap, ours above."""
        return self.psnr_ours[1] > self.psnr_peer[2]


@dataclass
class ComparisonResults:
    """All that a comparison found.

    Attributes:
        reference: the reference run's scores and distance to the converged run.
        noise_floor: the reference run in another batch size; what differs is rounding.
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
        """Returns the lines with numbers at a target, of some groups or of all."""
        wanted = None if groups is None else set(groups)
        return [
            line
            for line in self.table
            if line.target == target
            and not line.failure
            and (wanted is None or line.group in wanted)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as JSON knows it."""
        content = asdict(self)
        for finding, mine in zip(content["findings"], self.findings, strict=True):
            finding["is_apart"] = mine.is_apart
        return content


def results(
    settings: ComparisonSettings,
    model: str,
    references: StoredReferences,
    rows: Sequence[MethodRow],
) -> ComparisonResults:
    """Turns rows into numbers, checks and findings.

    Args:
        settings: the comparison's settings.
        model: the model's name.
        references: what every row is compared with.
        rows: the rows there are.
    """
    by_index = {row.index: row for row in references.reference}
    reader = RowReader(settings, references.branches, by_index)

    def read(name: str, samples: list[SampleRow]) -> TableRow:
        return reader.read(MethodRow(name, settings.steps, samples=samples))

    found = ComparisonResults(
        settings,
        model,
        references.branches,
        read("reference", references.reference),
        read("reference, another batch", references.noise_floor),
        [reader.read(row) for row in rows],
    )
    found.left_out = list(dict.fromkeys(f"{r.method}: {r.failure}" for r in rows if r.failure))
    found.checks = list(checks(found, references.identical_at_zero))
    samples = {(row.method, row.target): row.samples for row in rows}
    found.findings = list(findings(found, samples))
    return found


def checks(found: ComparisonResults, identical: Mapping[str, bool]) -> Iterable[Check]:
    """Yields what has to hold."""
    yield _falls(found)
    yield _below_noise_floor(found)
    for name, same in identical.items():
        what = f"`{name}` at a knob of 0 is the reference run, bit for bit"
        yield Check(what, same, "it is" if same else "it is not")
    yield _control_last(found)


def _falls(found: ComparisonResults) -> Check:
    what = "The error of the oracles' schedules falls as calls rise"
    names = dict.fromkeys(line.method for line in found.table if line.group == "oracle")
    wrong, seen = [], 0
    for name in names:
        lines = [line for line in found.table if line.method == name and not line.failure]
        by_calls = sorted(lines, key=lambda line: line.calls)
        values = [line.psnr for line in by_calls if line.psnr is not None]
        seen += len(values) > 1
        if any(b <= a for a, b in pairwise(values)):
            wrong.append(name)
    why = f"not so for {', '.join(wrong)}" if wrong else f"in the PSNR of all {seen} schedules"
    return Check(what, (not wrong) if seen else None, why if seen else "there is none")


def _below_noise_floor(found: ComparisonResults) -> Check:
    what = "No row is closer to the reference run than that run in another batch size"
    lines = [line for line in found.table if line.psnr is not None]
    if not lines or found.noise_floor.psnr is None:
        return Check(what, None, "nothing was measured")
    best = max(lines, key=lambda line: line.psnr or 0.0)
    why = (
        f"{found.noise_floor.psnr:.1f} dB; the closest row, {best.method}, has {best.psnr:.1f} dB"
    )
    return Check(what, (best.psnr or 0.0) <= found.noise_floor.psnr, why)


def _control_last(found: ComparisonResults) -> Check:
    what = "The negative control comes last"
    wrong, seen = [], 0
    for target in found.settings.targets:
        lines = [line for line in found.at(target) if line.psnr is not None]
        controls = [line for line in lines if line.group == CONTROL]
        others = [line for line in lines if line.group != CONTROL]
        if controls and others:
            seen += 1
            worst = min(line.psnr or 0.0 for line in others)
            if max(line.psnr or 0.0 for line in controls) >= worst:
                wrong.append(str(target))
    if not seen:
        return Check(what, None, "there is none")
    return Check(what, not wrong, f"not at {', '.join(wrong)}" if wrong else "at every target")


def findings(
    found: ComparisonResults, samples: Mapping[tuple[str, int], Sequence[SampleRow]]
) -> Iterable[Finding]:
    """Yields, target by target, the best of ours and the best of the others."""
    peers = [group for group in [*found.settings.groups, "others"] if group not in NO_PEERS]
    for target in found.settings.targets:
        ours = _best(found.at(target, ["ours"]))
        peer = _best(line for line in found.at(target, peers) if line.reached)
        if ours is None or peer is None:
            continue
        mine = _psnrs(samples[ours.method, target])
        theirs = _psnrs(samples[peer.method, target])
        yield Finding(
            target,
            ours.method,
            peer.method,
            ours.fidelity[PSNR],
            peer.fidelity[PSNR],
            bootstrap_mean([mine[i] - theirs[i] for i in mine]),
        )


def _best(lines: Iterable[TableRow]) -> TableRow | None:
    """Returns the line of the highest PSNR that does not take more calls than it was to."""
    fair = [line for line in lines if line.psnr is not None and line.steps <= line.target + 1]
    return max(fair, key=lambda line: line.psnr or 0.0, default=None)


def _psnrs(samples: Sequence[SampleRow]) -> dict[int, float]:
    return {sample.index: value_of(sample.metrics, PSNR) for sample in samples}
