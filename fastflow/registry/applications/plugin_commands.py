"""Commands that plugins add, found without the components that they also bring."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pluggy

PROJECT = "fastflow"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Command:
    """Defines a command of ``fastflow`` on the command line, provided by a plugin.

    Args:
        run: runs the command with the words after its name; raises ValueError for words that it
            does not take, with a message that states the remedy.
        usage: the words it takes, such as ``NAME [key=value ...]``.
        purpose: what it does, in a few words.
    """

    run: Callable[[list[str]], None]
    usage: str
    purpose: str


@hookspec
def fastflow_commands() -> dict[str, Command]:  # type: ignore[empty-body]
    """Commands extend the command line: `fastflow.registry.Command`, by name."""


def listed_commands() -> dict[str, Command]:
    """Returns the plugins' commands, importing only those plugins that have some.

    It is for help texts, which have to be there at once: what is wrong with a plugin is said by
    the catalog, when a command runs.
    """
    plugins = pluggy.PluginManager(PROJECT)
    plugins.add_hookspecs(sys.modules[__name__])
    for point in filter(_may_have_commands, entry_points(group=PROJECT)):
        plugins.register(point.load(), name=point.name)
    return {name: c for own in plugins.hook.fastflow_commands() for name, c in own.items()}


def _may_have_commands(point: EntryPoint) -> bool:
    """Returns whether a plugin's source mentions the hook; also if there is no source to read."""
    spec = importlib.util.find_spec(point.module)
    if point.attr or spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return True
    text = Path(spec.origin).read_text(encoding="utf-8", errors="replace")
    return fastflow_commands.__name__ in text
