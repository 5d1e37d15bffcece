"""An earlier run that is resumed: its configuration, and whether it is still the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastflow.registry.compose import Config, load
from fastflow.registry.hooks import KINDS
from fastflow.runs.directory import package_versions
from fastflow.runs.resuming.fingerprints import placed
from fastflow.runs.resuming.hub_commits import hub_commits
from fastflow.runs.resuming.inputs import COMMIT, Inputs, check_same, input_changes
from fastflow.sampling.request import Request


@dataclass(frozen=True)
class Resumption:
    """An earlier run, or a comparison, whose inputs are compared with those at its beginning.

    Args:
        path: its directory.
        command: the command that resumes it.
        force: whether to go on although inputs have changed.
        config: the configuration, as it is stored.
        began: its inputs when it began; None if they were not noted.
    """

    path: Path
    command: str
    force: bool
    config: Config
    began: Inputs | None

    @classmethod
    def open(cls, path: Path, command: str, force: bool, settings: type) -> Resumption:
        """Reads the directory, and compares all inputs but the requests.

        Args:
            path: the directory.
            command: the command that resumes it.
            force: whether to go on although inputs have changed.
            settings: the dataclass of the command's own settings.

        Raises:
            ValueError: if the configuration or the inputs cannot be read, or one of them has
                changed or is missing and ``force`` is false.
        """
        config = load(path / "config.yaml", settings, KINDS)
        own = cls(path, command, force, config, Inputs.read(path))
        if own.began is not None:  # names what is missing before anything is built from it
            own._compare(replace(own._now(()), requests=own.began.requests))
        return own

    @property
    def seen(self) -> Config:
        """The configuration with its relative paths seen from where the run began."""
        return placed(self.config, self._folder)

    def changes(self, requests: Sequence[Request]) -> list[str]:
        """Returns what has changed; nothing if the run did not note its inputs.

        Raises:
            ValueError: if anything has changed and ``force`` is false.
        """
        return [] if self.began is None else self._compare(self._now(requests))

    def note(self, found: Sequence[str]) -> None:
        """Writes down what has changed, in the directory, which this process holds."""
        if self.began is not None and found:
            self.began.force(found).write(self.path)

    @property
    def _folder(self) -> Path:
        return Path.cwd() if self.began is None else Path(self.began.working_directory)

    def _now(self, requests: Sequence[Request]) -> Inputs:
        return Inputs.of(self.config, requests, package_versions(), self._folder)

    def _compare(self, now: Inputs) -> list[str]:
        found = [] if self.began is None else list(input_changes(self.began, now))
        check_same(found, self.path, self.command, self.force)
        return found


def note_inputs(path: Path, requests: Sequence[Request]) -> None:
    """Notes the inputs of a run that begins, by the configuration in its directory."""
    config = load(path / "config.yaml")
    Inputs.of(config, requests, package_versions(), Path.cwd()).write(path)


def note_downloads(path: Path) -> None:
    """Notes the commit of a model that was not in the hub's local cache when the run began."""
    inputs = Inputs.read(path)
    if inputs is None:
        return
    commits = dict(hub_commits(load(path / "config.yaml")))
    new = {name: {COMMIT: commits[name]} for name in commits.keys() - inputs.files.keys()}
    if new:
        replace(inputs, files={**inputs.files, **new}).write(path)


def forced_warnings(path: Path) -> list[str]:
    """Returns what a reader should know of a run that was resumed although inputs had changed."""
    inputs = Inputs.read(path)
    return [] if inputs is None else inputs.warnings
