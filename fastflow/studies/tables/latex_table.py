"""A study as LaTeX, with the rules of booktabs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.grouping.study_measure import StudyMeasure
from fastflow.studies.safe_text import for_latex
from fastflow.studies.tables.cells import (
    NumberCell,
    heads,
    number_cells,
    setting_cells,
    shown_measures,
)

LATEX_HEAD = r"""% Written by `fastflow study`. In the preamble: \usepackage{booktabs}
% Means over prompts and seeds. Below them: in brackets the 95 % interval over prompts (bootstrap),
% after \pm half of the 95 % interval over seeds (Student's t). Bold: the best, and those that the
% paired interval does not tell from it. Calls and times have their intervals in study.csv.
"""


def as_latex(sections: Sequence[StudySection]) -> str:
    r"""Returns a ``tabular`` for each section, to be read in by ``\input``."""
    return LATEX_HEAD + "\n".join(latex_table(section) for section in sections)


def latex_table(section: StudySection) -> str:
    """Returns the table of a section; contests are divided by rules."""
    measures = shown_measures(section)
    columns = "l" * len(section.names) + "r" * len(measures)
    names = [*map(for_latex, heads(section)), *(_head(m.title) for m in measures)]
    bodies = [
        "\n".join(_lines(group, measures) for group in own)
        for _, own in groupby(section.groups, key=lambda group: group.contest)
    ]
    lines = [
        f"% {for_latex(section.title)}",
        r"{\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        " & ".join(names) + r" \\",
        r"\midrule",
        "\n\\midrule\n".join(bodies),
        r"\bottomrule",
        r"\end{tabular}}",
    ]
    return "\n".join(lines) + "\n"


def _head(title: str) -> str:
    """Returns the head of a column, its unit in a second line."""
    name, _, unit = for_latex(title).partition(", ")
    return rf"\shortstack[r]{{{name}\\{unit}}}" if unit else name


def _lines(group: Group, measures: Sequence[StudyMeasure]) -> str:
    """Returns the line of a group's means, and below it that of the intervals if it has any."""
    cells = list(number_cells(group, measures))
    settings = map(for_latex, setting_cells(group))
    means = " & ".join([*settings, *map(_mean, cells)])
    spreads = ["" if m.brief else _spread(c) for c, m in zip(cells, measures, strict=True)]
    if not any(spreads):
        return means + r" \\"
    below = " & ".join([*[""] * len(group.names), *spreads])
    return rf"{means} \\[-3pt]" + f"\n{below}" + r" \\"


def _mean(cell: NumberCell) -> str:
    return rf"\textbf{{{for_latex(cell.mean)}}}" if cell.best else for_latex(cell.mean)


def _spread(cell: NumberCell) -> str:
    parts = [f"[{for_latex(cell.prompts)}]"] if cell.prompts else []
    parts += [rf"$\pm$\,{for_latex(cell.seeds)}"] if cell.seeds else []
    return rf"{{\tiny {' '.join(parts)}}}" if parts else ""
