"""The catalog: every installed component, by kind and name, with the plugin it comes from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import pluggy

from fastflow.registry.applications.plugin_commands import PROJECT, Command
from fastflow.registry.hooks import KINDS, SPECIFICATIONS, Kind
from fastflow.registry.preset_folders import PresetFolder, distinct, folders_of


class PluginError(Exception):
    """Raised for a plugin that cannot be used; names the plugin, the hook and the remedy."""


@dataclass(frozen=True)
class CatalogEntry:
    """Describes one installed component.

    Attributes:
        kind: its kind, such as ``policy``.
        name: its name, unique among components of the kind.
        component: its class.
        plugin: the name of the plugin it comes from.
    """

    kind: str
    name: str
    component: type
    plugin: str

    @property
    def line(self) -> str:
        """The first line of its docstring."""
        return (self.component.__doc__ or "").strip().split("\n")[0]


class Catalog:
    """Finds the components of some plugins by kind and name, and their commands by name.

    Args:
        entries: the components.
        commands: the commands, by name.
        folders: the plugins' folders of presets.
    """

    def __init__(
        self,
        entries: Sequence[CatalogEntry],
        commands: dict[str, Command],
        folders: Sequence[PresetFolder] = (),
    ):
        self.entries, self.commands, self.folders = entries, commands, folders
        self._by_name = {(e.kind, e.name): e for e in entries}

    @classmethod
    def collect(cls, manager: pluggy.PluginManager) -> Catalog:
        """Returns the catalog of all plugins that are registered with a manager.

        Raises:
            PluginError: if two plugins use one name, or something is not a component.
        """
        entries: dict[tuple[str, str], CatalogEntry] = {}
        for name, kind in KINDS.items():
            for own, component, plugin in _provided(manager, kind.hook, f"a {name}"):
                entry = CatalogEntry(name, own, component, plugin)
                _check(entry, kind)
                entries[name, own] = entry
        commands = {name: c for name, c, _ in _provided(manager, "fastflow_commands", "a command")}
        plugins = manager.list_name_plugin()
        folders = (folder for name, plugin in plugins for folder in folders_of(name, plugin))
        return cls([entries[key] for key in sorted(entries)], commands, distinct(folders))

    def get(self, kind: str, name: str) -> type:
        """Returns the class of a component.

        Raises:
            ValueError: if there is none of that name; suggests similar names.
        """
        entry = self._by_name.get((kind, name))
        if entry is None:
            raise ValueError(self.unknown(kind, name))
        return entry.component

    def names(self, kind: str) -> list[str]:
        """Returns the names of all components of a kind."""
        return [e.name for e in self.entries if e.kind == kind]

    def name_of(self, kind: str, component: Any) -> str | None:
        """Returns the name under which a component's class is installed; None if it is not."""
        names = (e.name for e in self.entries if e.kind == kind and type(component) is e.component)
        return next(names, None)

    def unknown(self, kind: str, name: str, more: Sequence[str] = ()) -> str:
        """Returns the message for a name that does not exist; ``more`` are other valid names."""
        names: list[str] = sorted({*self.names(kind), *more})
        near = difflib.get_close_matches(name.lower(), names, n=3)
        hint = (
            f"Did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"Installed: {', '.join(names)}."
        )
        return f"there is no {kind} named {name!r}. {hint}"


def _provided(
    manager: pluggy.PluginManager, hook: str, what: str
) -> Iterator[tuple[str, Any, str]]:
    """Yields what the plugins provide in one hook, as (name, object, name of the plugin)."""
    owners: dict[str, str] = {}
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        plugin = implementation.plugin_name
        for name, provided in implementation.function().items():
            other = owners.setdefault(name, plugin)
            if other != plugin:
                raise PluginError(
                    f"two plugins give {what} named {name!r}: {other} and {plugin}. "
                    f"Uninstall one, or rename it in its `{hook}`."
                )
            yield name, provided, plugin


def _check(entry: CatalogEntry, kind: Kind) -> None:
    component = entry.component
    if not (isinstance(component, type) and issubclass(component, kind.base)):
        raise PluginError(
            f"plugin {entry.plugin}: `{kind.hook}` gives {entry.name!r} as {component!r}, "
            f"which is not a subclass of `{kind.base.__name__}`."
        )
    if not is_dataclass(component):
        raise PluginError(
            f"plugin {entry.plugin}: {entry.kind} {entry.name!r} is not a dataclass. "
            "Decorate it with @dataclass(frozen=True, kw_only=True)."
        )


def manager() -> pluggy.PluginManager:
    """Returns a plugin manager with all hooks and no plugin."""
    plugins = pluggy.PluginManager(PROJECT)
    plugins.add_hookspecs(SPECIFICATIONS)
    return plugins


@cache
def installed() -> Catalog:
    """Returns the catalog of every installed plugin (entry-point group `fastflow`).

    Raises:
        PluginError: if a plugin cannot be imported or misuses a hook.
    """
    plugins = manager()
    for point in entry_points(group=PROJECT):
        try:
            plugins.register(point.load(), name=point.name)
        except Exception as error:
            raise PluginError(
                f"plugin {point.name!r} ({point.value}) cannot be loaded: "
                f"{type(error).__name__}: {error}. Fix it or uninstall it."
            ) from error
    try:
        plugins.check_pending()
    except pluggy.PluginValidationError as error:
        hooks = ", ".join(("fastflow_commands", *(kind.hook for kind in KINDS.values())))
        raise PluginError(f"{error}. The hooks are {hooks}.") from error
    return Catalog.collect(plugins)
