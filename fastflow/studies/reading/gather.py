"""Finds the runs below the directories of a study, whatever these are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from fastflow.errors import UserError
from fastflow.sampling.foreign import RunFile, check_schema, parse_json, read_bounded
from fastflow.studies.reading.comparison_reader import read_comparison
from fastflow.studies.reading.run_reader import read_run
from fastflow.studies.reading.study_run import LeftOut, StudyRun
from fastflow.studies.safe_text import one_line

SWEEP = "sweep.json"
DEEPEST_RUN = 4  # folders between a directory that is given and a run in it
MOST_RUNS = 100_000
WHAT_TO_GIVE = "Give directories that `fastflow sample`, a sweep or `fastflow compare` wrote."


@dataclass(frozen=True)
class StoredSweepRun:
    """States what sweep.json says about one run."""

    path: RunFile
    overrides: list[str]
    status: Literal["done", "failed", "running", "waiting"]
    error: str | None = None


@dataclass(frozen=True)
class StoredSweep:
    """States what sweep.json holds."""

    command: str
    runs: list[StoredSweepRun]
    settings: list[str] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """A directory to read, or why it is not read."""

    name: str
    path: Path
    swept: Sequence[str] = ()
    why: str = ""


@dataclass(frozen=True)
class Gathered:
    """Everything that the directories of a study hold.

    Args:
        runs: the finished runs, in the order of the directories.
        left_out: what was not read, with the reason.
    """

    runs: Sequence[StudyRun]
    left_out: Sequence[LeftOut]


def gather(paths: Sequence[Path], progress: bool = True) -> Gathered:
    """Reads the runs in directories; what cannot be read is named and left out.

    Args:
        paths: directories of runs, sweeps and comparisons, or folders that hold such.
        progress: whether a long reading shows a bar on a terminal.

    Raises:
        UserError: if a path does not exist, or no finished run is found.
    """
    found = list(dict.fromkeys(_each(paths)))
    bar = tqdm(found, "reading", unit="run", delay=1.0, disable=None if progress else True)
    runs: list[StudyRun] = []
    left_out: list[LeftOut] = []
    for one in bar:
        for read in _read(one):
            (runs if isinstance(read, StudyRun) else left_out).append(read)  # type: ignore[arg-type]
    runs = list(_without_doubles(runs, left_out))
    if not runs:
        reasons = "; ".join(f"{one.name}: {one.why}" for one in left_out[:3])
        raise UserError(
            f"no finished run was found. {WHAT_TO_GIVE}{f' Left out: {reasons}' * bool(reasons)}"
        )
    return Gathered(runs, left_out)


def _each(paths: Sequence[Path]) -> Iterator[Found]:
    """Yields what is found below each path, every directory once."""
    seen: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            kind = "is a file" if path.exists() else "does not exist"
            raise UserError(f"{str(path)!r} {kind}. {WHAT_TO_GIVE}")
        name = path.name or path.resolve().name
        for one in _search(path, name, DEEPEST_RUN):
            resolved = one.path.resolve()
            if one.why or resolved not in seen:
                seen.add(resolved)
                yield one
        if len(seen) > MOST_RUNS:
            raise UserError(f"there are more than {MOST_RUNS:,} runs. Give fewer directories.")


def _search(path: Path, name: str, depth: int) -> Iterator[Found]:
    """Yields the runs in a directory; links inside it are not followed."""
    if (path / SWEEP).is_file():
        yield from _sweep(path, name)
    elif (path / "rows").is_dir() or (path / "samples.jsonl").is_file():
        yield Found(name, path)
    elif (path / "config.yaml").is_file():
        yield Found(name, path, why="it is unfinished: it has no samples.jsonl.")
    elif depth:
        try:
            inside = _folders(path)
        except OSError as error:
            yield Found(name, path, why=f"it cannot be opened: {error.strerror}.")
            return
        for inner in inside:
            yield from _search(path / inner, f"{name}/{inner}", depth - 1)


def _folders(path: Path) -> list[str]:
    """Returns the names of the folders in a folder, numbered ones by their numbers."""
    with os.scandir(path) as entries:
        inside = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    return sorted((name for name in inside if not name.startswith(".")), key=_in_order)


def _in_order(name: str) -> tuple[int, str]:
    """Sorts numbered folders by number."""
    return (int(name) if name.isdecimal() and len(name) < 10 else -1, name)


def _sweep(path: Path, name: str) -> Iterator[Found]:
    """Yields the runs of a sweep, or why it cannot be read."""
    file = path / SWEEP
    try:
        if not file.resolve().is_relative_to(path.resolve()):
            raise ValueError(f"{file} is a symbolic link that leads out of its folder.")
        content = parse_json(read_bounded(file, str(file), "a sweep's folder"), str(file))
        check_schema(StoredSweep, content, str(file))
    except ValueError as error:
        yield Found(name, path, why=str(error))
        return
    for run in content["runs"]:
        folder, label = path / run["path"], f"{name}/{run['path']}"
        why = _why(run, folder, path)
        yield Found(label, folder, tuple(content.get("swept") or ()), why)


def _why(run: dict, folder: Path, sweep: Path) -> str:
    """Returns why a run of a sweep is left out; empty if it is read."""
    settings = " ".join(run["overrides"])
    if run["status"] != "done":
        reason = f": {run['error']}" if run.get("error") else ""
        return f"it {_STATUS[run['status']]} ({settings}){reason}"
    if not folder.resolve().is_relative_to(sweep.resolve()):
        return "its path leads out of the sweep's folder."
    return (
        "" if folder.is_dir() else f"it is done by {SWEEP} ({settings}), but its folder is gone."
    )


_STATUS = {"failed": "failed", "running": "is unfinished", "waiting": "was not begun"}


def _read(one: Found) -> Iterator[StudyRun | LeftOut]:
    """Yields the runs of a directory, or why it has none."""
    name = one_line(one.name, 200)
    if one.why:
        yield LeftOut(name=name, why=one_line(one.why, 500))
        return
    try:
        if (one.path / "rows").is_dir():
            for read in read_comparison(one.path, name, one.swept):
                yield (
                    LeftOut(name=read.name, why=one_line(read.why, 500))
                    if isinstance(read, LeftOut)
                    else read
                )
        else:
            yield read_run(one.path, name, one.swept)
    except (ValueError, OSError) as error:
        yield LeftOut(name=name, why=one_line(str(error), 500))


def _without_doubles(runs: Sequence[StudyRun], left_out: list[LeftOut]) -> Iterator[StudyRun]:
    """Yields the runs without those that repeat another with the same settings and seed."""
    first: dict[object, str] = {}
    for run in runs:
        key = (run.kind, run.seed, tuple(sorted((k, repr(v)) for k, v in run.settings.items())))
        if key in first:
            why = (
                f"it has the settings and the seed of {first[key]}: counted twice, intervals "
                "would be too narrow."
            )
            left_out.append(LeftOut(name=run.name, why=why))
            continue
        first[key] = run.name
        yield run
