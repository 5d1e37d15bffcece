"""A sweep: from its command line, or its folder, to runs that are done."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastflow.errors import UserError
from fastflow.registry.applications.hydra_sweep import (
    Overrides,
    compose_sweep,
    is_basic,
    launch_sweep,
    parameters_of,
)
from fastflow.registry.applications.sweep_words import SweepWords, has_several
from fastflow.registry.compose import build, chooses, settings_of
from fastflow.registry.preset_folders import OPTION
from fastflow.sampling.executor import Interrupted
from fastflow.sampling.storage import command_line
from fastflow.sweeps.children import end_children
from fastflow.sweeps.objective import SETTING, SweepObjective
from fastflow.sweeps.sweep_folder import SweepFolder, SweptRun
from fastflow.sweeps.swept_run import Work

LAUNCHERS = ("joblib", "submitit", "concurrent", "ray")  # packages whose errors are lost jobs


@dataclass
class SweepJob:
    """Everything that is known of a sweep before its first run.

    Attributes:
        command: the command of its runs.
        own: the dataclass of the command's own settings.
        words: the words of the command line.
        folders: folders of presets.
        force: whether runs are resumed although their inputs have changed.
    """

    command: str
    own: type
    words: list[str]
    folders: Sequence[str]
    force: bool = False
    parts: SweepWords = field(init=False)
    objective: SweepObjective | None = None

    def __post_init__(self):
        """Composes Hydra's settings.

        Raises:
            ValueError: if something in the words is wrong.
        """
        asked = [w.partition("=")[2] for w in self.words if w.startswith(f"{SETTING}=")]
        others = [word for word in self.words if not word.startswith(f"{SETTING}=")]
        self.parts = SweepWords.of(others, self.command, self.own)
        chosen = [w for w in self.parts.same if w.lstrip("+").startswith("experiment=")]
        words = [*chosen, *self.parts.hydra]
        self.loader, self.settings = compose_sweep(self.command, words, self.own)
        if not is_basic(self.settings):
            self._optimise(asked)
        elif asked:
            raise UserError(
                f"`{SETTING}` is for a sweeper that optimises, such as hydra/sweeper=optuna."
            )
        given = {setting_of(word) for word in self.parts.same}
        parameters = parameters_of(self.settings)
        kept = {key: value for key, value in parameters.items() if key not in given}
        if kept != parameters:  # what the command line sets is not swept over
            self.settings.hydra.sweeper.params = kept
        several = [key for key, value in kept.items() if has_several(key, value)]
        self.swept = list(dict.fromkeys([*several, *map(setting_of, self.parts.swept)]))

    def _optimise(self, asked: Sequence[str]) -> None:
        """Tells the sweeper what to look for."""
        if self.command != "sample":
            raise UserError(
                f"`hydra/sweeper` looks for the best run by its summary, which a `{self.command}` "
                "does not have. Leave it out."
            )
        self.objective = SweepObjective.of(asked[-1] if asked else None)
        sweeper = self.settings.hydra.sweeper
        if not any(word.startswith("hydra.sweeper.direction=") for word in self.parts.hydra):
            directions = self.objective.directions
            sweeper.direction = directions if len(directions) > 1 else directions[0]
        seeds = [node for node in (sweeper.get("sampler"),) if node is not None and "seed" in node]
        for sampler in seeds:  # a resumed sweep has to ask for the same runs again
            sampler.seed = 0 if sampler.seed is None else sampler.seed

    def go(self, folder: SweepFolder) -> None:
        """Does the runs that are not done.

        Raises:
            ConfigError: if a run's settings are wrong, before any run begins.
            Interrupted: on Ctrl-C or SIGTERM.
        """
        work = Work(
            self.command,
            folder.path.resolve(),
            self.parts.same,
            self.folders,
            self.objective,
            self.force,
            (os.getpid(), socket.gethostname()),
        )
        runs = Runs(self, folder, work)
        try:
            launch_sweep(
                self.loader,
                self.settings,
                folder.path,
                self.parts.swept,
                work,
                runs.register,
                runs.finished,
            )
        except KeyboardInterrupt as error:
            end_children()
            folder.settle(interrupted=True)
            raise Interrupted.by(error, how_to_resume(self.command, folder)) from error
        except Exception as error:
            if not runs.is_lost(error):
                raise
        finally:
            folder.settle(interrupted=False)
            folder.close()


@dataclass
class Runs:
    """Numbers the runs of a sweep as its sweeper asks for them."""

    job: SweepJob
    folder: SweepFolder
    work: Work
    seen: list[int] = field(default_factory=list)
    checked: set[Any] = field(default_factory=set)

    def register(self, batch: Overrides) -> list[int]:
        """Returns the numbers of the runs of a batch, those of before if they were asked for."""
        asked = [tuple(map(self.job.parts.as_typed, words)) for words in batch]
        known: dict[tuple[str, ...], list[int]] = {}
        runs = self.folder.read().runs
        for number, run in enumerate(runs):
            if number not in self.seen:
                known.setdefault(tuple(run.overrides), []).append(number)
        if self.job.objective is None:  # an optimising sweeper goes on without what fails
            for overrides in asked:
                self._check(overrides)
        new: list[SweptRun] = []
        for overrides in asked:
            if known.get(overrides):
                self.seen.append(known[overrides].pop(0))
            else:
                self.seen.append(len(runs) + len(new))
                new.append(SweptRun(str(len(runs) + len(new)), overrides))
        self.folder.add(new)
        return self.seen[len(self.seen) - len(asked) :]

    def finished(self, number: int) -> tuple[bool, Any]:
        """Returns whether a run is done, and what the sweeper wants to know of it."""
        run = self.folder.read().runs[number]
        done = run.status == "done" and run in self.folder
        return done, self.work.value(number) if done else None

    def is_lost(self, error: Exception) -> bool:
        """Returns whether an error is that of a launcher's process, or of a sweep without results.

        What became of the runs is then in the sweep's file.
        """
        if type(error).__module__.partition(".")[0] in LAUNCHERS:
            return True
        runs = self.folder.read().runs
        return self.job.objective is not None and not any(r.status == "done" for r in runs)

    def _check(self, overrides: Sequence[str]) -> None:
        """Raises a ConfigError if a run's settings are wrong.

        A setting is checked once with each choice of components, not in every combination.
        """
        words = [*self.work.words, *overrides]
        choices = tuple(word for word in words if chooses(word))
        pairs = {(choices, word) for word in words}
        if pairs <= self.checked:
            return
        self.checked |= pairs
        config = self.work.config(overrides)
        settings_of(config, self.job.own)
        if self.job.command == "sample":
            build("policy", config["policy"])


def setting_of(word: str) -> str:
    """Returns the name of the setting that a word sets."""
    return word.partition("=")[0].lstrip("+")


def how_to_resume(command: str, folder: SweepFolder) -> str:
    """Returns what is said to whoever interrupted a sweep."""
    again = command_line(command, f"resume={folder.path}")
    return f"Finished runs are kept; resume with: {again}"


def stored_words(words: Sequence[str], folders: Sequence[str]) -> list[str]:
    """Returns the words of a sweep as its file holds them, from which it can be resumed."""
    return [*words, *(f"{OPTION}={folder}" for folder in folders)]


def default_out(command: str) -> Path:
    """Returns the folder of a sweep whose settings name none."""
    return Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-sweep-{command}"


@contextmanager
def seen_from(folder: str) -> Iterator[None]:
    """Lets relative paths be seen from the folder where a sweep began, if it is there."""
    before = Path.cwd()
    if folder and Path(folder).is_dir():
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
