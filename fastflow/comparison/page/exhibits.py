"""The comparison's page: one file, readable offline."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high

from fastflow.comparison.checks import ComparisonResults
from fastflow.comparison.fairness.near_best import NEAR
from fastflow.comparison.page import pareto
from fastflow.comparison.page.total_cost import cost, efficient, total_cost
from fastflow.comparison.rows import REFERENCE, SOURCE, ComparisonDirectory
from fastflow.comparison.table import OUTPUTS, TableRow
from fastflow.evaluation.bootstrap import Interval
from fastflow.evaluation.summary import FLIP, IDENTICAL, PSNR
from fastflow.report.html.pictures import PAGE, Picture, embed
from fastflow.report.render import content_policy, style_sheet, template

HERE = Path(__file__).parent
DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Exhibit:
    """What the page shows of one method at one target.

    Attributes:
        name: the name of the method.
        note: its computed steps and its PSNR.
        decisions: the computed steps of each sample.
        examples: outputs.
    """

    name: str
    note: str
    decisions: Picture | None
    examples: Sequence[Picture]


@dataclass(frozen=True)
class Section:
    """What the page shows of one target.

    Attributes:
        target: the number of computed steps.
        rows: the rows of the table, the highest PSNR first, marked ones after all others.
        exhibits: the decisions and examples of each method.
        open: whether the section is unfolded when the page opens.
    """

    target: int
    rows: Sequence[TableRow]
    exhibits: Sequence[Exhibit]
    open: bool


def render_comparison(results: ComparisonResults, directory: ComparisonDirectory) -> str:
    """Returns a comparison's page as HTML.

    Args:
        results: the results of the comparison.
        directory: the directory with its rows and images.
    """
    return template(HERE).render(
        results=results,
        title=comparison_title(results),
        curves=list(pareto.curves(results)),
        total_cost=total_cost(results),
        efficient={outputs: efficient(results, outputs) for outputs in OUTPUTS},
        cost=cost,
        sections=_sections(results, directory),
        prompts=directory.references().prompts[: results.settings.examples],
        scores=list(results.reference.scores),
        fidelity=[name for name in results.noise_floor.fidelity if name != PSNR],
        interval=interval,
        group=group_text,
        mark=mark_text,
        number=number_text,
        share=share_text,
        psnr=PSNR,
        flip=FLIP,
        identical=IDENTICAL,
        near=NEAR,
        css=style_sheet(),
        policy=content_policy(),
        written=time.strftime("%Y-%m-%d %H:%M"),
    )


def comparison_title(results: ComparisonResults) -> str:
    """Returns the finding at the middle target, or at the one nearest to it, in one sentence."""
    if not results.findings:
        return f"{len({row.method for row in results.table})} methods at equal network calls"
    middle = middle_target(results.settings.targets)
    finding = min(results.findings, key=lambda finding: abs(finding.target - middle))
    difference = finding.difference[0]
    start = f"At {finding.target} of {results.settings.steps} steps, {finding.ours}"
    if not finding.is_distinguishable:
        return (
            f"{start} and {finding.peer}, the best other method, are not distinguishable: the "
            f"difference in PSNR to the reference run is {interval(finding.difference, '+.1f')} dB"
        )
    side = "closer to" if difference > 0 else "farther from"
    return (
        f"{start} is {abs(difference):.1f} dB {side} the reference run than {finding.peer}, "
        "the best other method"
    )


def middle_target(targets: Sequence[int]) -> int:
    """Returns the middle one of the targets, with which the page opens; of two, the larger."""
    return median_high(targets)


def _sections(results: ComparisonResults, directory: ComparisonDirectory) -> list[Section]:
    middle = middle_target(results.settings.targets)
    shown = len(results.settings.targets) * (1 + len(results.settings.names()))
    budget = PAGE // max(1, shown * max(1, results.settings.examples))
    common = list(_references(results, directory, budget))
    return [
        Section(
            target,
            sorted(_at(results, target), key=lambda row: (row.is_marked, -(row.psnr or 0.0))),
            [*common, *(_exhibit(row, results, directory, budget) for row in results.at(target))],
            target == middle,
        )
        for target in results.settings.targets
    ]


def _references(
    results: ComparisonResults, directory: ComparisonDirectory, budget: int
) -> Iterator[Exhibit]:
    """Yields the images to edit, if there are any, and the outputs of the reference runs."""
    for name, note in ((SOURCE, "to edit"), (REFERENCE, f"{results.settings.steps} steps")):
        if pictures := _examples(directory, budget, name):
            yield Exhibit(name, note, None, pictures)


def _at(results: ComparisonResults, target: int) -> list[TableRow]:
    return [row for row in results.table if row.target == target]


def _exhibit(
    row: TableRow, results: ComparisonResults, directory: ComparisonDirectory, budget: int
) -> Exhibit:
    measured = directory.row(row.method, row.target)
    has_grid = row.group != "solvers"  # solvers have time grids of their own
    samples = measured.samples if measured and has_grid else []
    note = f"{row.steps:.1f} steps" + (f", {row.psnr:.1f} dB" if row.psnr is not None else "")
    return Exhibit(
        row.method,
        note,
        pareto.heat_map(samples, results.settings.steps),
        _examples(directory, budget, row.method, row.target),
    )


def _examples(
    directory: ComparisonDirectory, budget: int, name: str, target: int | None = None
) -> list[Picture]:
    stem = directory.image(name, target, 0).name.removesuffix("-0000.png")
    paths = sorted((directory.path / "images").glob(f"{stem}-[0-9][0-9][0-9][0-9].*"))
    return [picture for path in paths if (picture := embed(path, budget))]


def interval(values: Interval | None, form: str = ".1f") -> str:
    """Returns a mean with its interval as text; a dash for None."""
    if values is None:
        return DASH
    mean, low, high = (f"{value:{form}}".replace("-", "\N{MINUS SIGN}") for value in values)
    return f"{mean} ({low} to {high})"


def group_text(group: str) -> str:
    """Returns a group as tables and figures name it: what an oracle is best by is said with it."""
    return "oracle (best by recorded cost)" if group == "oracle" else group


def mark_text(row: TableRow) -> str:
    """Returns the word for a row that missed its target, is marked or interpolated; else empty."""
    if not row.reached:
        return "missed"
    if row.is_marked:
        return "marked"
    return "interpolated" if "interpolated" in row.notes else ""


def number_text(value: float | None, form: str = ".1f") -> str:
    """Returns a number as text; a dash for None."""
    return DASH if value is None else f"{value:{form}}".replace("-", "\N{MINUS SIGN}")


def share_text(value: float | None) -> str:
    """Returns a share as a percentage; a dash for None."""
    return DASH if value is None else f"{value:.0%}".replace("%", " %")
