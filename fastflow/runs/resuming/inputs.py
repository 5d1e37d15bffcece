"""inputs.json: what a run depends on, noted when it begins and compared when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fastflow.errors import UserError
from fastflow.registry.compose import Config
from fastflow.runs.resuming.fingerprints import (
    files_in,
    of_requests,
    of_settings,
    path_settings,
    placed,
)
from fastflow.runs.resuming.hub_commits import hub_commits
from fastflow.sampling.request import Request
from fastflow.sampling.storage import command_line, read_object, write_whole, writing

INPUTS = "inputs.json"
COMMIT = "commit"  # in place of a file's name, of a model of the hub
NAMED = 3  # how many changes of one kind a message names

Texts = Mapping[str, str]


class NotTheSameRun(UserError):
    """Raised when a resumed run would not be the one that began; names what changed."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a run depends on, as fingerprints.

    Args:
        working_directory: where the run began; relative paths are seen from here.
        settings: the composed settings, presets included, by name.
        files: what settings such as `prompts`, `memory` and `model.path` name: by the setting, the
            fingerprint of the file, or of each file in the folder; of a repository of the hub,
            the commit in the local cache.
        requests: the requests, each with prompt, noise seed and image.
        versions: the packages that compute.
        forced: what had changed when the run was resumed all the same.
    """

    working_directory: str
    settings: Texts = field(default_factory=dict)
    files: Mapping[str, Texts] = field(default_factory=dict)
    requests: Sequence[str] = ()
    versions: Texts = field(default_factory=dict)
    forced: Sequence[str] = ()

    @classmethod
    def of(
        cls, config: Config, requests: Sequence[Request], versions: Texts, began: Path
    ) -> Inputs:
        """Notes the inputs as they are now.

        Args:
            config: the configuration, as it is stored.
            requests: the run's requests.
            versions: the packages that compute.
            began: the working directory in which the run began.
        """
        named = path_settings(placed(config, began))
        paths = {name: Path(text).expanduser() for name, text in named}
        return cls(
            working_directory=str(began),
            settings=of_settings(config),
            files={
                **{name: files_in(path) for name, path in paths.items() if path.exists()},
                **{name: {COMMIT: commit} for name, commit in hub_commits(config)},
            },
            requests=of_requests(requests),
            versions=dict(versions),
        )

    @classmethod
    def read(cls, folder: Path) -> Inputs | None:
        """Reads the file of a run; None if it has none, as those of fastflow 0.1.

        Raises:
            ValueError: if the file is damaged.
        """
        path = folder / INPUTS
        if not path.is_file():
            return None
        content = read_object(path)
        problem = _problem(content)
        if problem:
            raise ValueError(
                f"{path}: {problem} Put back the file that the run wrote; without it the run is "
                "resumed unchecked."
            )
        return cls(**content)

    def write(self, folder: Path) -> None:
        """Writes the file."""
        with writing(folder / INPUTS):
            write_whole(folder / INPUTS, json.dumps(asdict(self), indent=1) + "\n")

    def force(self, changes: Sequence[str]) -> Inputs:
        """Returns the inputs with the note that the run went on although these had changed."""
        new = [change for change in changes if change not in self.forced]
        return replace(self, forced=(*self.forced, *new))

    @property
    def warnings(self) -> list[str]:
        """What a reader of the results has to know."""
        if not self.forced:
            return []
        return ["Resumed with force=true although not all was the same: " + "; ".join(self.forced)]


def input_changes(before: Inputs, now: Inputs) -> Iterator[str]:
    """Yields what differs between the inputs at the beginning and now, in words."""
    for name in before.files:
        yield from _file_changes(name, before.files[name], now.files.get(name))
    for name in _differing(before.settings, now.settings):
        yield f"the setting `{name}` in config.yaml is another"
    for name in _differing(before.versions, now.versions):
        was, is_now = (
            texts.get(name, "not installed") for texts in (before.versions, now.versions)
        )
        yield f"{name} was {was} and is {is_now}"
    if len(before.requests) != len(now.requests):
        yield f"there are {len(now.requests)} samples to make, and were {len(before.requests)}"
    pairs = enumerate(zip(before.requests, now.requests))
    if others := [str(i) for i, (a, b) in pairs if a != b]:
        yield f"prompt, noise or image of {_few('sample', others)} is another"


def check_same(found: Sequence[str], folder: Path, command: str, force: bool) -> None:
    """Raises NotTheSameRun if anything has changed, unless it is to go on all the same."""
    if found and not force:
        again = command_line(command, f"resume={folder}", "force=true")
        raise NotTheSameRun(
            f"`resume` {str(folder)!r} would not be the run that began: {'; '.join(found)}. Put "
            f"back what changed, or go on all the same, which the report will say, with: {again}"
        )


def _file_changes(name: str, before: Texts, now: Texts | None) -> Iterator[str]:
    if COMMIT in before:
        is_now = (now or {}).get(COMMIT, "not in the local cache")
        if is_now != before[COMMIT]:
            yield (
                f"the hub repository that `{name}` names was at commit {before[COMMIT]} and is "
                f"{is_now}"
            )
        return
    if now is None:
        yield f"what `{name}` names is missing"
        return
    others = [file or "the file" for file in _differing(before, now)]
    if others == ["the file"]:
        yield f"the file that `{name}` names has another content"
    elif others:
        yield f"`{name}`: {_few('file', others)} changed or missing"


def _differing(before: Texts, now: Texts) -> list[str]:
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def _few(noun: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names[:NAMED])}{more}"


def _problem(content: Mapping[str, Any]) -> str:
    """Returns what is wrong with the content of the file, or an empty text."""
    names = {f.name for f in fields(Inputs)}
    if odd := sorted(content.keys() ^ names):
        return f"`{odd[0]}` is missing or unknown."
    texts = [content["settings"], content["versions"]]
    files = content["files"]
    if not isinstance(content["working_directory"], str):
        return "`working_directory` must be a text."
    if not isinstance(files, dict) or not all(map(_are_texts, [*texts, *files.values()])):
        return "`settings`, `versions` and `files` must hold texts by name."
    for name in ("requests", "forced"):
        if not isinstance(content[name], list) or not all(
            isinstance(t, str) for t in content[name]
        ):
            return f"`{name}` must be a list of texts."
    return ""


def _are_texts(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(text, str) for text in content.values())
