"""A study as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.grouping.study_measure import StudyMeasure
from fastflow.studies.reading.study_run import LeftOut
from fastflow.studies.safe_text import for_markdown
from fastflow.studies.tables.cells import (
    LEGEND,
    NumberCell,
    heads,
    number_cells,
    setting_cells,
    shown_measures,
)


def as_markdown_page(sections: Sequence[StudySection], left_out: Sequence[LeftOut]) -> str:
    """Returns a study's tables, notes, and what was left out."""
    parts = [LEGEND.replace("*", "")]
    for section in sections:
        parts += [f"## {for_markdown(section.title)}", markdown_table(section)]
        if notes := [f"- {for_markdown_note(note)}" for note in section.notes()]:
            parts.append("\n".join(notes))
    if left_out:
        lines = [
            f"- {for_markdown_note(one.name)}: {for_markdown_note(one.why)}" for one in left_out
        ]
        parts += ["## Left out", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def for_markdown_note(text: str) -> str:
    """Returns a sentence for Markdown; it may be longer than a cell."""
    return for_markdown(text, 500)


def markdown_table(section: StudySection) -> str:
    """Returns the table of a section, one line for each group."""
    measures = shown_measures(section)
    names = [*map(for_markdown, heads(section)), "seeds", *(m.title for m in measures)]
    rule = [*["---"] * len(section.names), *["---:"] * (1 + len(measures))]
    lines = [names, rule, *(list(_row(group, measures)) for group in section.groups)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(group: Group, measures: Sequence[StudyMeasure]) -> Iterator[str]:
    yield from map(for_markdown, setting_cells(group))
    yield str(len(group.runs))
    yield from map(_number, number_cells(group, measures))


def _number(cell: NumberCell) -> str:
    mean = f"**{cell.mean}**" if cell.best else cell.mean
    prompts = f" [{cell.prompts}]" if cell.prompts else ""
    return f"{mean}{prompts}" + (f" ±{cell.seeds}" if cell.seeds else "")
