"""A study as LaTeX, with the rules of booktabs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.measure import Measure
from fastflow.studies.grouping.section import Section
from fastflow.studies.safe_text import for_latex
from fastflow.studies.tables.cells import (
    NumberCell,
    heads,
    number_cells,
    setting_cells,
    shown_measures,
)

HEAD = r"""% Written by `fastflow study`. In the preamble: \usepackage{booktabs}
% Means over prompts and seeds. Below them: in brackets the 95 % interval over prompts (bootstrap),
% after \pm half of the 95 % interval over seeds (Student's t). Bold: the best, and those that the
% paired interval does not tell from it. Calls and times have their intervals in study.csv.
"""


def as_latex(sections: Sequence[Section]) -> str:
    r"""Returns a ``tabular`` for each section, to be read in by ``\input``."""
    return HEAD + "\n".join(latex_table(section) for section in sections)


def latex_table(section: Section) -> str:
    """Returns the table of a section; contests are divided by rules."""
    measures = shown_measures(section)
    columns = "l" * len(section.names) + "r" * len(measures)
    names = [*map(for_latex, heads(section)), *(for_latex(m.title) for m in measures)]
    bodies = [
        "\n".join(_row(group, measures) for group in own)
        for _, own in groupby(section.groups, key=lambda group: group.contest)
    ]
    lines = [
        f"% {for_latex(section.title)}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        " & ".join(names) + r" \\",
        r"\midrule",
        "\n\\midrule\n".join(bodies),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _row(group: Group, measures: Sequence[Measure]) -> str:
    return " & ".join(_cells(group, measures)) + r" \\"


def _cells(group: Group, measures: Sequence[Measure]) -> Iterator[str]:
    yield from map(for_latex, setting_cells(group))
    for cell, measure in zip(number_cells(group, measures), measures, strict=True):
        yield _number(cell, measure.brief)


def _number(cell: NumberCell, brief: bool) -> str:
    mean = rf"\textbf{{{for_latex(cell.mean)}}}" if cell.best else for_latex(cell.mean)
    spread = [f"[{for_latex(cell.prompts)}]"] if cell.prompts else []
    spread += [rf"$\pm$\,{for_latex(cell.seeds)}"] if cell.seeds else []
    if brief or not spread:
        return mean
    return rf"\shortstack[r]{{{mean}\\{{\tiny {' '.join(spread)}}}}}"
