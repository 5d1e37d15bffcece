"""The results of a comparison: its table, its checks and its findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.fairness.findings import Finding, above_oracles, findings
from fastflow.comparison.fairness.near_best import with_near_best
from fastflow.comparison.fairness.recorded_cost import beaten
from fastflow.comparison.references import StoredReferences
from fastflow.comparison.rows import MethodRow
from fastflow.comparison.table import (
    CONTROL,
    Key,
    RowReader,
    TableRow,
    psnrs_of,
)
from fastflow.evaluation.measurement import SampleRow


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


def intervals_cover(seeds: int, samples: int) -> str:
    """Returns what an interval over the samples of one or more seeds covers, in words."""
    if seeds == 1:
        return "over samples only: one tuning"
    return f"over {seeds} tunings and {samples} samples each"


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
        remarks: what is easily misread, in words.
        seeds: how many seeds the numbers are from.
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
    remarks: list[str] = field(default_factory=list)
    seeds: int = 1

    @property
    def coverage(self) -> str:
        """What the intervals cover, in words."""
        return intervals_cover(self.seeds, self.settings.samples)

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
        content: dict[str, Any] = asdict(self) | {"intervals": self.coverage}
        for entry, finding in zip(content["findings"], self.findings, strict=True):
            entry["is_distinguishable"] = finding.is_distinguishable
        return content


@dataclass(frozen=True)
class Repetition:
    """What was measured with one seed.

    Args:
        references: the measurements of the reference runs.
        rows: the rows measured so far.
    """

    references: StoredReferences
    rows: Sequence[MethodRow]

    def __post_init__(self):
        known = {row.index for row in self.references.reference}
        for row in self.rows:
            own = [*row.samples, *(row.second.samples if row.second else ())]
            if others := sorted({sample.index for sample in own} - known):
                raise ValueError(
                    f"the row of {row.method} at {row.target} has sample {others[0]}, and "
                    "references.json has none of that number: they are of different comparisons."
                )

    def row(self, key: Key) -> MethodRow | None:
        """Returns the row of a method at a target; None if it is not measured yet."""
        return next((row for row in self.rows if (row.method, row.target) == key), None)


def evaluate(
    settings: ComparisonSettings, model: str, seeds: Sequence[Repetition]
) -> ComparisonResults:
    """Evaluates the rows of a comparison: its table, checks and findings.

    Args:
        settings: the settings of the comparison.
        model: the name of the model.
        seeds: what was measured with each seed; a row that one of them lacks is left out.
    """
    by_index = [{row.index: row for row in one.references.reference} for one in seeds]
    branches = seeds[0].references.branches
    reader = RowReader(settings, branches, by_index)
    keys = [(row.method, row.target) for row in seeds[0].rows]
    found = {key: [row for one in seeds if (row := one.row(key))] for key in keys}
    complete = {key: rows for key, rows in found.items() if len(rows) == len(seeds)}
    psnrs = {key: [psnrs_of(row) for row in rows] for key, rows in complete.items()}

    def read(name: str, samples: Sequence[list[SampleRow]]) -> TableRow:
        return reader.read(*(MethodRow(name, settings.steps, samples=own) for own in samples))

    results = ComparisonResults(
        settings,
        model,
        branches,
        read("reference", [one.references.reference for one in seeds]),
        read("reference, other batch size", [one.references.noise_floor for one in seeds]),
        with_near_best([reader.read(*rows) for rows in complete.values()], psnrs),
    )
    failed = (f"{row.method}: {row.failure}" for row in results.table if row.failure)
    results.left_out = list(dict.fromkeys(failed))
    results.seeds = len(seeds)
    results.checks = list(checks(results, seeds))
    results.findings = list(findings(settings.targets, settings.groups, results.at, psnrs))
    remarks = (above_oracles(results.at(target), target) for target in settings.targets)
    results.remarks = [text for text in remarks if text] + list(_marked(results))
    return results


def _marked(results: ComparisonResults) -> Iterator[str]:
    """Yields a line for each row of ours that is marked."""
    for row in results.table:
        if row.group == "ours" and row.is_marked and not row.failure:
            yield f"{row.method} at {row.target} is marked and not ranked as ours: {row.marks}"


def checks(results: ComparisonResults, seeds: Sequence[Repetition]) -> Iterable[Check]:
    """Yields what must hold in a valid comparison."""
    yield _falls(results)
    yield _oracles_unbeaten(seeds)
    yield _below_noise_floor(results)
    exact = [one.references.identical_at_zero for one in seeds]
    for name in exact[0]:
        same = all(one.get(name, False) for one in exact)
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


def _oracles_unbeaten(seeds: Sequence[Repetition]) -> Check:
    what = "No schedule has a lower recorded cost than the oracle of its own scheme"
    found, checked = [], 0
    for one in seeds:
        below, count = beaten(one.rows)
        found, checked = found + below, checked + count
    if not checked:
        return Check(what, None, "no fixed schedule and oracle of one scheme to compare")
    return Check(what, not found, f"but {'; '.join(found)}" if found else f"{checked} compared")


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
