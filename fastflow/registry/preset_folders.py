"""Where presets are: fastflow's own folder, those of plugins, and those of a command line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from fastflow.registry.hooks import KINDS
from fastflow.registry.messages import ConfigError
from fastflow.sampling.foreign import parse_yaml, read_bounded

OPTION = "--config-dir"  # names a folder in addition to those installed
EXPERIMENT = "experiment"  # the folder of files that each state the settings of an experiment
GROUPS = (*KINDS, EXPERIMENT)
FOLDER = "conf"  # beside a plugin's module, or in a package that it is in


class PresetFolder(NamedTuple):
    """Holds presets: a folder for each kind, with a file for each preset, and experiments.

    Args:
        owner: whose it is, for messages.
        path: the folder.
    """

    owner: str
    path: Path

    @property
    def presets(self) -> dict[tuple[str, str], Path]:
        """The files of its presets and experiments, by kind and name."""
        return {
            (kind, file.stem): file
            for kind in GROUPS
            for file in sorted((self.path / kind).glob("*.yaml"))
        }


def folders_of(plugin: str, module: Any) -> list[PresetFolder]:
    """Returns the folders of presets that come with a plugin.

    Args:
        plugin: the plugin's name.
        module: its module; other objects have no folder.
    """
    if not isinstance(module, ModuleType):
        return []
    names = [module.__name__]
    while "." in names[-1]:
        names.append(names[-1].rpartition(".")[0])
    files = (getattr(sys.modules.get(name, module), "__file__", None) for name in names)
    paths = dict.fromkeys(Path(file).resolve().parent / FOLDER for file in files if file)
    return [PresetFolder(f"plugin {plugin}", path) for path in paths if path.is_dir()]


def distinct(folders: Iterable[PresetFolder]) -> list[PresetFolder]:
    """Returns folders without those that occurred before."""
    return list({folder.path.resolve(): folder for folder in reversed(list(folders))}.values())[
        ::-1
    ]


_given: ContextVar[tuple[PresetFolder, ...]] = ContextVar("given", default=())


@contextmanager
def searching(paths: Iterable[str | Path]) -> Iterator[None]:
    """Adds folders in which presets are found until the context ends.

    Raises:
        ConfigError: if one is not a folder or holds no preset.
    """
    added = tuple(PresetFolder(OPTION, Path(path)) for path in paths)
    for folder in added:
        if not folder.path.is_dir():
            raise ConfigError(f"`{OPTION}` {str(folder.path)!r} is not a folder.")
        if not folder.presets:
            raise ConfigError(
                f"`{OPTION}` {str(folder.path)!r} holds no preset. A preset is a file "
                f"KIND/NAME.yaml, such as policy/mine.yaml; kinds: {', '.join(KINDS)}."
            )
        for file in folder.presets.values():
            _check_preset(file)
    token = _given.set((*_given.get(), *added))
    try:
        yield
    finally:
        _given.reset(token)


def _check_preset(file: Path) -> None:
    """Raises a ConfigError unless a preset is plain YAML within bounds."""
    try:
        parse_yaml(read_bounded(file, str(file), "a preset"), str(file))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def given() -> tuple[PresetFolder, ...]:
    """Returns the folders that were added by `searching`."""
    return _given.get()


def check_apart(folders: Iterable[PresetFolder], components: Iterable[tuple[str, str]]) -> None:
    """Raises a ConfigError if a name stands for two presets, or for a preset and a component.

    Args:
        folders: the folders of presets; the first one's may be named as components are.
        components: the kinds and names of the installed components.
    """
    taken: dict[tuple[str, str], Path] = {}
    known = set(components)
    for i, folder in enumerate(folders):
        for key, file in folder.presets.items():
            kind, name = key
            if key in taken or (i and key in known):
                other = str(taken[key]) if key in taken else "an installed component"
                raise ConfigError(
                    f"two things are named {name!r} as {kind}: {file} ({folder.owner}) and "
                    f"{other}. Rename the file."
                )
            taken[key] = file


def separate_folders(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separates the folders of presets, ``--config-dir DIR``, from the other words.

    Raises:
        ConfigError: if the option comes without a folder.
    """
    others, folders, rest = [], [], iter(words)
    for word in rest:
        if word == OPTION:
            folders.append(next(rest, ""))
        elif word.startswith(f"{OPTION}="):
            folders.append(word.partition("=")[2])
        else:
            others.append(word)
    if "" in folders:
        raise ConfigError(f"`{OPTION}` is followed by a folder of presets, KIND/NAME.yaml in it.")
    return others, folders
