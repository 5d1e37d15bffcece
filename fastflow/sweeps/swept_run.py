"""One run of a sweep, in the process that Hydra's launcher chose for it."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastflow
from fastflow import endings
from fastflow.errors import Failed
from fastflow.registry.compose import Config, read
from fastflow.registry.preset_folders import OPTION, searching
from fastflow.runs.run_settings import RunSettings, with_policy
from fastflow.sampling.executor import Interrupted, Terminated
from fastflow.sampling.storage import read_object
from fastflow.sweeps.objective import SweepObjective
from fastflow.sweeps.sweep_folder import SweepFolder

LOOK_EVERY = 0.3  # seconds between two looks at the process of the sweep
WATCH = "sweep-watch"
BY_SIGNAL = {130: KeyboardInterrupt, 143: Terminated}


@dataclass(frozen=True)
class Work:
    """Does a run of a sweep, given its number, and notes what became of it.

    Attributes:
        command: the command of all runs.
        path: the sweep's folder, absolute.
        words: the settings that are the same in all runs.
        folders: folders of presets.
        objective: what an optimising sweeper wants to know of each run; None if none does.
        force: whether runs are resumed although their inputs have changed.
        owner: the process of the sweep, and the name of its machine.
    """

    command: str
    path: Path
    words: Sequence[str]
    folders: Sequence[str]
    objective: SweepObjective | None = None
    force: bool = False
    owner: tuple[int, str] = (0, "")

    def __call__(self, number: int) -> Any:
        """Does the run; returns its objective, None if it failed.

        Raises:
            KeyboardInterrupt: if it was interrupted; what is finished of it is kept.
        """
        self._end_with_sweep()
        folder = SweepFolder(self.path)
        folder.change(number, "running")
        try:
            self._run(number, folder.read().runs[number].overrides)
            value = self.value(number)
        except KeyboardInterrupt:
            folder.change(number, "waiting")
            raise
        except Exception as error:
            if isinstance(error, Interrupted) and error.status in BY_SIGNAL:
                folder.change(number, "waiting")
                raise BY_SIGNAL[error.status] from error
            text = endings.sentence(error, self.command)
            folder.change(number, "failed", text)
            print(f"fastflow {self.command}: run {number} failed: {text}", file=sys.stderr)
            return None
        folder.change(number, "done")
        return value

    def value(self, number: int) -> Any:
        """Returns what an optimising sweeper wants to know of a finished run."""
        if self.objective is None:
            return None
        return self.objective.value(read_object(self.path / str(number) / "summary.json"))

    def config(self, overrides: Sequence[str], *more: str) -> Config:
        """Composes the configuration of a run.

        Raises:
            ConfigError: if something in it is wrong.
        """
        return self._read([*self.words, *overrides], more)

    def _read(self, words: Sequence[str], more: Sequence[str]) -> Config:
        if self.command == "compare":
            from fastflow.comparison.comparison_settings import ComparisonSettings

            return read([*words, *more], "compare", ComparisonSettings)
        if self.command == "calibrate":
            from fastflow.runs.calibration import overrides as named

            words = named(words)
        return read([*with_policy(words), *more], self.command, RunSettings)

    def _run(self, number: int, overrides: Sequence[str]) -> None:
        path = self.path / str(number)
        begun = (path / "config.yaml").is_file()
        words, where = [*self.words, *overrides], [f"out={path}"]
        if self.command == "calibrate":
            path.mkdir(exist_ok=True)
            where = [f"out={path / 'preset.yaml'}"]
        elif begun:  # it goes on with its own configuration
            words, where = [], [f"resume={path}", *(["force=true"] if self.force else [])]
        with searching(self.folders), self._as_typed([*words, *where]):
            DONE_BY[self.command](self._read(words, where))

    @contextmanager
    def _as_typed(self, words: Sequence[str]) -> Iterator[None]:
        """Lets executors that repeat the command line in other processes repeat the run's."""
        main = sys.modules["__main__"]
        before = sys.argv, getattr(main, "__spec__", None)
        options = [word for folder in self.folders for word in (OPTION, folder)]
        script = sys.argv[0]
        if getattr(before[1], "name", "fastflow.cli") != "fastflow.cli":  # a launcher's process
            main.__spec__, script = None, str(Path(fastflow.__file__).with_name("cli.py"))
        sys.argv = [script, self.command, *words, *options]
        try:
            yield
        finally:
            sys.argv, main.__spec__ = before

    def _end_with_sweep(self) -> None:
        """Ends this process once that of the sweep is gone, if it is another one here."""
        owner, machine = self.owner
        watched = any(thread.name == WATCH for thread in threading.enumerate())
        if machine == socket.gethostname() and os.getpid() != owner and owner and not watched:
            threading.Thread(target=_end_after, args=(owner,), daemon=True, name=WATCH).start()


def _end_after(process: int) -> None:
    while True:
        try:
            os.kill(process, 0)
        except OSError:
            os._exit(1)
        time.sleep(LOOK_EVERY)


def _sample(config: Config) -> None:
    from fastflow.runs.run import run

    path = run(config)
    check_some_succeeded(path)


def check_some_succeeded(path: Path) -> dict[str, Any]:
    """Returns the summary of a run.

    Raises:
        Failed: if all its samples failed.
    """
    summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    if summary["samples"] and summary["failed"] == summary["samples"]:
        raise Failed(f"all samples failed; the reasons are in {path / 'samples.jsonl'}.")
    return summary


def _compare(config: Config) -> None:
    from fastflow.comparison.compare import compare

    compare(config)


def _calibrate(config: Config) -> None:
    from fastflow.runs.calibration import calibrate, keep_preset

    keep_preset(config, calibrate(config))


DONE_BY = {"sample": _sample, "compare": _compare, "calibrate": _calibrate}
