"""Exports the outputs of a run in the layout that a benchmark's scorer reads."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from fastflow.evaluation.measurement import SIDES
from fastflow.runs.official.benchmark_run import BenchmarkRun
from fastflow.sampling.storage import command_line, whole_file, write_whole, writing

Content = Path | str  # a file to copy, or a text


def export(run: BenchmarkRun, out: Path) -> dict[str, int]:
    """Writes the outputs to ``out/skipped`` and, if there are reference runs, to ``out/full``.

    Existing files with the same content are left alone, so an interrupted export is finished by
    repeating it.

    Returns:
        The number of samples of each side.

    Raises:
        ValueError: if ``out`` holds something else than an export, a file exists with another
            content, an output of the run is missing, or the scorer does not read outputs of this
            kind.
        DiskFull: if the disk is full.
    """
    _check_own(out)
    files = {out / side / place: c for side in run.sides for place, c in _files(run, side)}
    again = f"make room, then repeat: {command_line('export', str(run.path), f'out={out}')}"
    for target, content in tqdm(files.items(), desc="export", unit="file"):
        if target.exists():
            _check_same(target, content)
            continue
        with writing(target, again=again):
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, content)
    return {
        side: sum(row.image_of(side) is not None for row in run.places.values())
        for side in run.sides
    }


def _check_own(out: Path) -> None:
    """Raises a ValueError unless a path is new, empty, or the folder of an export."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` '{out}' is a file. Give a folder.")
    others = sorted(p.name for p in out.iterdir() if p.name not in SIDES) if out.exists() else []
    if others:
        raise ValueError(
            f"`out` '{out}' holds {others[0]!r}, which no export writes. Choose a new folder."
        )


def _files(run: BenchmarkRun, side: str) -> Iterator[tuple[str, Content]]:
    """Yields the path in a side's folder, and the content, of every file to write."""
    for place, row in run.places.items():
        name, item = row.image_of(side), row.item
        if name is None:
            continue
        if not name.endswith(run.benchmark.suffix):
            raise ValueError(
                f"the scorer of {run.name} reads {run.benchmark.suffix} files, but this run has "
                f"{name}. Use a model that generates {run.benchmark.suffix} files."
            )
        yield place, _kept(run.path / name)
        yield from run.benchmark.companion_files(item).items()
        if source := run.benchmark.source(item):
            yield source, _kept(run.path / str(row.image_source))


def _kept(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"{path} is missing: the run directory is incomplete.")
    return path


def _write(target: Path, content: Content) -> None:
    if isinstance(content, str):
        write_whole(target, content)
        return
    with whole_file(target) as part:
        shutil.copyfile(content, part)


def _check_same(target: Path, content: Content) -> None:
    """Raises a ValueError if a file has another content than would be written."""
    if isinstance(content, str):
        same = target.read_bytes() == content.encode()
    else:
        same = filecmp.cmp(target, content, shallow=False)
    if not same:
        raise ValueError(
            f"{target} exists already with another content, and nothing is overwritten. "
            "Choose another `out`."
        )
