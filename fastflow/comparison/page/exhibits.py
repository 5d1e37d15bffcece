"""The comparison's page: one file that opens without a network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastflow.comparison.checks import ComparisonResults
from fastflow.comparison.page import pareto
from fastflow.comparison.rows import REFERENCE, SOURCE, ComparisonDirectory
from fastflow.comparison.table import PSNR, TableRow
from fastflow.evaluation.bootstrap import Interval
from fastflow.report.html.pictures import PAGE, Picture, embed
from fastflow.report.render import content_policy, style_sheet, template

HERE = Path(__file__).parent
DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Exhibit:
    """What one method did at one target, to look at: who computed what, and examples."""

    name: str
    note: str
    decisions: Picture | None
    examples: Sequence[Picture]


@dataclass(frozen=True)
class Section:
    """All that is shown of one target."""

    target: int
    lines: Sequence[TableRow]
    exhibits: Sequence[Exhibit]
    open: bool


def render_comparison(found: ComparisonResults, directory: ComparisonDirectory) -> str:
    """Returns a comparison's page as HTML.

    Args:
        found: the comparison in numbers.
        directory: where its rows and images are.
    """
    return template(HERE).render(
        found=found,
        title=comparison_title(found),
        curves=list(pareto.curves(found)),
        sections=_sections(found, directory),
        prompts=directory.references().prompts[: found.settings.examples],
        scores=list(found.reference.scores),
        fidelity=[name for name in found.noise_floor.fidelity if name != PSNR],
        interval=interval,
        number=number_text,
        psnr=PSNR,
        css=style_sheet(),
        policy=content_policy(),
        written=time.strftime("%Y-%m-%d %H:%M"),
    )


def comparison_title(found: ComparisonResults) -> str:
    """Says in one sentence what was found."""
    if not found.findings:
        return f"{len({line.method for line in found.table})} methods at equal calls"
    at = min(found.findings, key=lambda finding: abs(finding.target - 19))
    difference = at.difference[0]
    return (
        f"At {at.target} of {found.settings.steps} steps {at.ours} is {abs(difference):.1f} dB "
        f"{'closer to' if difference > 0 else 'farther from'} the reference run than {at.peer}, "
        "the best of the others"
    )


def _sections(found: ComparisonResults, directory: ComparisonDirectory) -> list[Section]:
    nearest = min(found.settings.targets, key=lambda target: abs(target - 19))
    shown = len(found.settings.targets) * (1 + len(found.settings.names()))
    budget = PAGE // max(1, shown * max(1, found.settings.examples))
    plain = list(_plain(found, directory, budget))
    return [
        Section(
            target,
            sorted(_at(found, target), key=lambda line: -(line.psnr or 0.0)),
            [*plain, *(_exhibit(line, found, directory, budget) for line in found.at(target))],
            target == nearest,
        )
        for target in found.settings.targets
    ]


def _plain(
    found: ComparisonResults, directory: ComparisonDirectory, budget: int
) -> Iterator[Exhibit]:
    """Yields what all methods are compared with: the reference runs, and what is edited."""
    for name, note in ((SOURCE, "what is edited"), (REFERENCE, f"{found.settings.steps} steps")):
        if pictures := _examples(directory, budget, name):
            yield Exhibit(name, note, None, pictures)


def _at(found: ComparisonResults, target: int) -> list[TableRow]:
    return [line for line in found.table if line.target == target]


def _exhibit(
    line: TableRow, found: ComparisonResults, directory: ComparisonDirectory, budget: int
) -> Exhibit:
    row = directory.row(line.method, line.target)
    samples = row.samples if row and line.group != "solvers" else []  # those have other steps
    note = f"{line.steps:.1f} steps" + (f", {line.psnr:.1f} dB" if line.psnr is not None else "")
    return Exhibit(
        line.method,
        note,
        pareto.heat_map(samples, found.settings.steps),
        _examples(directory, budget, line.method, line.target),
    )


def _examples(
    directory: ComparisonDirectory, budget: int, name: str, target: int | None = None
) -> list[Picture]:
    stem = directory.image(name, target, 0).name.removesuffix("-0000.png")
    paths = sorted((directory.path / "images").glob(f"{stem}-[0-9][0-9][0-9][0-9].*"))
    return [picture for path in paths if (picture := embed(path, budget))]


def interval(values: Interval | None, form: str = ".1f") -> str:
    """Writes a mean with its interval."""
    if values is None:
        return DASH
    mean, low, high = (f"{value:{form}}".replace("-", "\N{MINUS SIGN}") for value in values)
    return f"{mean} ({low} to {high})"


def number_text(value: float | None, form: str = ".1f") -> str:
    """Writes a number, or a dash where there is none."""
    return DASH if value is None else f"{value:{form}}".replace("-", "\N{MINUS SIGN}")
