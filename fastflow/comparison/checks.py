"""What had to hold in a comparison, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from fastflow.comparison.comparison_settings import Plan
from fastflow.comparison.rows import Row
from fastflow.comparison.table import NO_PEERS, PSNR, WRONG, Liner, TableRow, value_of
from fastflow.evaluation.bootstrap import Interval, bootstrap_mean


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
    """The best of ours beside the best of the others at one target.

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
class Results:
    """All that a comparison found.

    Attributes:
        full: the full run's scores and closeness to the reference.
        floor: the full run in another batch size.
    """

    plan: Plan
    model: str
    branches: float
    full: TableRow
    floor: TableRow
    lines: list[TableRow]
    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def at(self, target: int, groups: Iterable[str] | None = None) -> list[TableRow]:
        """Returns the lines with numbers at a target, of some groups or of all."""
        wanted = None if groups is None else set(groups)
        return [
            line
            for line in self.lines
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


def results(plan: Plan, model: str, references: dict[str, Any], rows: Sequence[Row]) -> Results:
    """Puts rows into numbers.

    Args:
        plan: the comparison's settings.
        model: the model's name.
        baselines: what `references.json` holds.
        rows: the rows there are.
    """
    liner = Liner(plan, references)
    full = liner.line(Row("full", plan.steps, samples=references["full"]))
    floor = liner.line(Row("full, another batch", plan.steps, samples=references["floor"]))
    lines = [liner.line(row) for row in rows]
    found = Results(plan, model, references["branches"], full, floor, lines)
    found.left_out = list(dict.fromkeys(f"{r.method}: {r.failure}" for r in rows if r.failure))
    found.checks = list(checks(found, references))
    samples = {(row.method, row.target): row.samples for row in rows}
    found.findings = list(findings(found, samples))
    return found


def checks(found: Results, references: dict[str, Any]) -> Iterable[Check]:
    """Yields what has to hold."""
    yield _falls(found)
    yield _below_floor(found)
    for name, same in references["identical_at_zero"].items():
        what = f"`{name}` at a knob of 0 is the full run, bit for bit"
        yield Check(what, same, "it is" if same else "it is not")
    yield _broken_last(found)


def _falls(found: Results) -> Check:
    """With hindsight the error falls as calls rise."""
    what = "With the hindsight best schedule the error falls as calls rise"
    names = dict.fromkeys(line.method for line in found.lines if line.group == "oracle")
    wrong, seen = [], 0
    for name in names:
        lines = [line for line in found.lines if line.method == name and not line.failure]
        by_calls = sorted(lines, key=lambda line: line.calls)
        values = [line.psnr for line in by_calls if line.psnr is not None]
        seen += len(values) > 1
        if any(b <= a for a, b in pairwise(values)):
            wrong.append(name)
    why = f"not so for {', '.join(wrong)}" if wrong else f"in the PSNR of all {seen} schedules"
    return Check(what, (not wrong) if seen else None, why if seen else "there is none")


def _below_floor(found: Results) -> Check:
    what = "No row is closer to the full run than the full run in another batch size"
    lines = [line for line in found.lines if line.psnr is not None]
    if not lines or found.floor.psnr is None:
        return Check(what, None, "nothing was measured")
    best = max(lines, key=lambda line: line.psnr or 0.0)
    why = f"{found.floor.psnr:.1f} dB; the closest row, {best.method}, has {best.psnr:.1f} dB"
    return Check(what, (best.psnr or 0.0) <= found.floor.psnr, why)


def _broken_last(found: Results) -> Check:
    what = "A method that is wrong on purpose comes last"
    wrong, seen = [], 0
    for target in found.plan.targets:
        lines = [line for line in found.at(target) if line.psnr is not None]
        broken = [line for line in lines if line.group == WRONG]
        others = [line for line in lines if line.group != WRONG]
        if broken and others:
            seen += 1
            worst = min(line.psnr or 0.0 for line in others)
            if max(line.psnr or 0.0 for line in broken) >= worst:
                wrong.append(str(target))
    if not seen:
        return Check(what, None, "there is none")
    return Check(what, not wrong, f"not at {', '.join(wrong)}" if wrong else "at every target")


def findings(found: Results, samples: dict[tuple[str, int], list]) -> Iterable[Finding]:
    """Yields, target by target, the best of ours beside the best of the others."""
    peers = [group for group in [*found.plan.groups, "others"] if group not in NO_PEERS]
    for target in found.plan.targets:
        ours = _best(found.at(target, ["ours"]))
        peer = _best(line for line in found.at(target, peers) if line.reached)
        if ours is None or peer is None:
            continue
        mine = _by_index(samples[ours.method, target])
        theirs = _by_index(samples[peer.method, target])
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


def _by_index(samples: Sequence[dict[str, Any]]) -> dict[int, float]:
    return {sample["index"]: value_of(sample["fidelity"], PSNR) for sample in samples}
