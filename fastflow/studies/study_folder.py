"""`fastflow study`: runs, sweeps and comparisons become a table, a page and figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fastflow.errors import UserError
from fastflow.evaluation.observer import FinishedRun, Observer
from fastflow.sampling.foreign import RunFile, check_inside, check_schema, parse_json, read_bounded
from fastflow.sampling.storage import (
    is_left,
    numbered_folder,
    whole_file,
    write_whole,
    writing,
)
from fastflow.studies.figures.drawn import draw_section
from fastflow.studies.figures.paper_style import StudyFigure
from fastflow.studies.grouping.section import sections_of
from fastflow.studies.page.study_page import SectionView, render_study
from fastflow.studies.reading.gather import gather
from fastflow.studies.reading.study_run import StudyRun
from fastflow.studies.tables.csv_table import groups_csv, runs_csv
from fastflow.studies.tables.latex_table import as_latex
from fastflow.studies.tables.markdown_table import as_markdown_page, markdown_table

MARK = "study.json"  # states that a folder is a study's, which may be written again
_TEXTS = ("study.csv", "runs.csv", "study.md", "study.tex", "study.html")


@dataclass(frozen=True)
class Study:
    """What was written.

    Args:
        path: the folder.
        runs: how many runs count in the numbers.
        left_out: how many directories are named and left out.
        figures: the figures' names.
        table: the tables in Markdown.
    """

    path: Path
    runs: int
    left_out: int
    figures: Sequence[str]
    table: str

    def headline(self) -> str:
        """Returns what the command prints: the tables, and where the page is."""
        left_out = f"{self.left_out} left out, see the page; " if self.left_out else ""
        counts = f"{self.runs} runs; {left_out}{len(self.figures)} figures"
        return f"{self.table}\n\n{counts}\nreport    {self.path / 'study.html'}\n{self.path}"


def write_study(
    paths: Sequence[Path],
    out: Path | None = None,
    progress: bool = True,
    observer: Observer | None = None,
) -> Study:
    """Reads directories and writes ``study.html``, ``.md``, ``.tex``, ``.csv`` and figures.

    Args:
        paths: directories of runs, sweeps and comparisons, or folders that hold such.
        out: the folder to write; a study's own is written again. If None, a new one in runs/.
        progress: whether a long reading shows a bar on a terminal.
        observer: mirrors the runs as one group, after everything is written.

    Raises:
        UserError: if a path does not exist, none has a finished run, or ``out`` holds anything
            else than a study.
    """
    if out is not None:
        check_own(out)
    gathered = gather([path for path in paths if not _is_within(path, out)], progress)
    sections = sections_of(gathered.runs)
    several = len(sections) > 1
    views = [
        SectionView(section, draw_section(section, f"-{i}" if several else ""))
        for i, section in enumerate(sections, start=1)
    ]
    figures = [figure for view in views for figure in view.figures]
    folder = out or numbered_folder(Path("runs/study"))
    texts = (
        groups_csv(sections),
        runs_csv(sections),
        as_markdown_page(sections, gathered.left_out),
        as_latex(sections),
        render_study(views, gathered.left_out, len(gathered.runs)),
    )
    with writing(folder / MARK, again="repeat the command."):
        _write(folder, dict(zip(_TEXTS, texts, strict=True)), figures)
    if observer is not None:
        observer.mirror([_finished(run) for run in gathered.runs], folder)
    names = [figure.name for figure in figures]
    tables = "\n\n".join(map(markdown_table, sections))
    return Study(folder, len(gathered.runs), len(gathered.left_out), names, tables)


def _finished(run: StudyRun) -> FinishedRun:
    """Returns a run as observers take it: what can differ, and the means of its measures."""
    means = {column: run.mean(column) for column in run.columns}
    measures = {column: mean for column, mean in means.items() if mean is not None}
    return FinishedRun(name=run.name, config={**run.settings, "seed": run.seed}, measures=measures)


def check_own(folder: Path) -> None:
    """Raises a UserError for a folder that holds anything but a study."""
    is_empty = not folder.exists() or (folder.is_dir() and all(map(is_left, folder.iterdir())))
    if not is_empty and not (folder / MARK).is_file():
        raise UserError(
            f"`out` {str(folder)!r} exists already and is not a study: nothing is overwritten. "
            "Choose another name."
        )
    if not is_empty:
        check_inside(folder)


def _is_within(path: Path, out: Path | None) -> bool:
    """Returns whether a path is the study's own folder, as ``runs/*`` may hold it."""
    return out is not None and (out / MARK).is_file() and path.resolve() == out.resolve()


def _write(folder: Path, texts: dict[str, str], figures: Sequence[StudyFigure]) -> None:
    """Writes the files, and removes figures of an earlier study that this one does not have.

    The mark comes first: a study that was killed can be repeated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = folder / "figures"
    files = dict(_figure_files(figures))
    listed = {"figures": sorted(files), "files": list(texts)}
    for name in _earlier(folder) - files.keys():
        with suppress(OSError):
            (drawn / name).unlink()
    write_whole(folder / MARK, json.dumps(listed, indent=1) + "\n")
    drawn.mkdir(exist_ok=True)
    for name, content in files.items():
        with whole_file(drawn / name) as part:
            part.write_bytes(content)
    for name, text in texts.items():
        write_whole(folder / name, text)


def _figure_files(figures: Sequence[StudyFigure]) -> Iterator[tuple[str, bytes]]:
    for figure in figures:
        yield f"{figure.name}.svg", figure.svg
        yield f"{figure.name}.pdf", figure.pdf


def _earlier(folder: Path) -> set[str]:
    """Returns the figures that study.json names: those that an earlier study wrote."""
    file = folder / MARK
    with suppress(ValueError):
        content = parse_json(read_bounded(file, str(file), "a study"), str(file))
        check_schema(StoredStudy, content, str(file))
        return {name for name in content["figures"] if Path(name).name == name}
    return set()


@dataclass(frozen=True)
class StoredStudy:
    """States what study.json holds."""

    figures: list[RunFile]
