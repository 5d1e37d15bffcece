"""The folder of a sweep, and the file in it that names the runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from fastflow.sampling.foreign import RunFile, check_inside, check_schema, parse_json, read_bounded
from fastflow.sampling.storage import write_whole, writing
from fastflow.words import check_words

SWEEP_FILE, SWEEP_LOCK = "sweep.json", ".sweep.lock"
LOCK_PATIENCE = 60.0  # seconds to wait for another process that writes the file
Status = Literal["done", "failed", "running", "waiting"]


@dataclass(frozen=True)
class SweptRun:
    """One run of a sweep.

    Attributes:
        path: its directory, relative to the sweep's folder.
        overrides: the settings in which it differs, as on the command line.
        status: ``done``, ``failed``, ``running`` or ``waiting``.
        error: why it failed; None if it did not.
    """

    path: RunFile
    overrides: Sequence[str]
    status: Status = "waiting"
    error: str | None = None


@dataclass(frozen=True)
class Sweep:
    """What `sweep.json` says.

    Attributes:
        command: the command of all runs, such as ``sample``.
        settings: the words of the command.
        swept: the names of the settings that have several values.
        runs: the runs, in the order of their numbers.
        working_directory: where the sweep began; relative paths are seen from here.
    """

    command: str
    settings: Sequence[str]
    swept: Sequence[str]
    runs: Sequence[SweptRun]
    working_directory: str = ""

    @property
    def failed(self) -> list[SweptRun]:
        """The runs that failed."""
        return [run for run in self.runs if run.status == "failed"]


class SweepFolder:
    """The folder of a sweep; several processes may work in it at a time.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path):
        self.path = path

    def __contains__(self, run: SweptRun) -> bool:
        """Returns whether a run that is recorded as done has its results."""
        results = ("summary.json", "comparison.json", "preset.yaml")
        return any((self.path / run.path / name).is_file() for name in results)

    def check(self) -> None:
        """Raises a ValueError if anything in the folder leads out of it."""
        check_inside(self.path)

    def read(self) -> Sweep:
        """Reads the file.

        Raises:
            ValueError: if it is missing, damaged, or names something outside of the folder.
        """
        where = str(self.path / SWEEP_FILE)
        content: Any = parse_json(
            read_bounded(self.path / SWEEP_FILE, where, "the folder of a sweep"), where
        )
        check_schema(Sweep, content, where)
        try:
            check_words(
                [*content["settings"], *(w for r in content["runs"] for w in r["overrides"])]
            )
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        runs = [
            SweptRun(**{k: v for k, v in run.items() if k in RUN_FIELDS})
            for run in content["runs"]
        ]
        for i, run in enumerate(runs):
            if run.path != str(i):
                raise ValueError(f"{where} run {i} must have the `path` '{i}', got {run.path!r}.")
        names = ("command", "settings", "swept", "working_directory")
        return Sweep(**{name: content.get(name, "") for name in names}, runs=runs)

    def write(self, sweep: Sweep) -> None:
        """Writes the file, whole."""
        with writing(self.path / SWEEP_FILE, sweep.command), self._alone():
            self._write(sweep)

    def change(self, number: int, status: Status, error: str | None = None) -> None:
        """Notes what became of a run; other processes may do so for others at the same time."""
        with self._alone():
            sweep = self.read()
            runs = list(sweep.runs)
            runs[number] = replace(runs[number], status=status, error=error)
            self._write(replace(sweep, runs=runs))

    def add(self, runs: Sequence[SweptRun]) -> None:
        """Adds runs behind those that are there."""
        with self._alone():
            sweep = self.read()
            self._write(replace(sweep, runs=[*sweep.runs, *runs]))

    def settle(self, interrupted: bool) -> None:
        """Notes what became of runs that no process works on any more, and that did not end."""
        with suppress(ValueError):
            for number, run in enumerate(self.read().runs):
                if run.status == "running" and interrupted:
                    self.change(number, "waiting")
                elif run.status == "running":
                    self.change(number, "failed", "its process was lost before it ended.")

    def close(self) -> None:
        """Removes what only processes at work need."""
        with suppress(OSError):
            (self.path / SWEEP_LOCK).unlink()

    def take_back(self) -> None:
        """Removes the folder if no run was begun in it."""
        with suppress(OSError, ValueError):
            if not self.read().runs:
                (self.path / SWEEP_FILE).unlink()
        self.close()
        with suppress(OSError):
            self.path.rmdir()

    def _alone(self) -> FileLock:
        return FileLock(self.path / SWEEP_LOCK, timeout=LOCK_PATIENCE)

    def _write(self, sweep: Sweep) -> None:
        write_whole(self.path / SWEEP_FILE, json.dumps(asdict(sweep), indent=1) + "\n")


RUN_FIELDS = tuple(SweptRun.__dataclass_fields__)


def is_sweep(path: Path) -> bool:
    """Returns whether a path is the folder of a sweep."""
    return (path / SWEEP_FILE).is_file()
