"""The catalog: every installed component, by kind and name, and the plugin it came from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import pluggy

from fastflow.registry.hooks import KINDS, PROJECT, SPECIFICATIONS, Command, Kind


class PluginError(Exception):
    """A plugin that cannot be used: names the plugin, the hook and what to do."""


@dataclass(frozen=True)
class CatalogEntry:
    """One installed component."""

    kind: str
    name: str
    component: type
    plugin: str

    @property
    def line(self) -> str:
        """The first line of its docstring."""
        return (self.component.__doc__ or "").strip().split("\n")[0]


class Catalog:
    """All components and commands of some plugins, looked up by kind and name."""

    def __init__(self, entries: Sequence[CatalogEntry], commands: dict[str, Command]):
        self.entries, self.commands = entries, commands
        self._by_name = {(e.kind, e.name): e for e in entries}

    @classmethod
    def collect(cls, manager: pluggy.PluginManager) -> Catalog:
        """Calls every hook of every registered plugin.

        Raises:
            PluginError: if two plugins give one name, or something is not a component.
        """
        entries: dict[tuple[str, str], CatalogEntry] = {}
        for name, kind in KINDS.items():
            for given, component, plugin in _given(manager, kind.hook, f"a {name}"):
                entry = CatalogEntry(name, given, component, plugin)
                _check(entry, kind)
                entries[name, given] = entry
        commands = {name: c for name, c, _ in _given(manager, "fastflow_commands", "a command")}
        return cls([entries[key] for key in sorted(entries)], commands)

    def get(self, kind: str, name: str) -> type:
        """Returns the class of a component.

        Raises:
            ValueError: if there is none of that name; names those that come near.
        """
        entry = self._by_name.get((kind, name))
        if entry is None:
            raise ValueError(self.unknown(kind, name))
        return entry.component

    def names(self, kind: str) -> list[str]:
        """Returns the names of all components of a kind."""
        return [e.name for e in self.entries if e.kind == kind]

    def name_of(self, kind: str, component: Any) -> str | None:
        """Returns the name under which the class of a component is installed, if it is."""
        found = (e.name for e in self.entries if e.kind == kind and type(component) is e.component)
        return next(found, None)

    def unknown(self, kind: str, name: str, more: Sequence[str] = ()) -> str:
        """Returns the message for a name that does not exist; ``more`` are other valid names."""
        names: list[str] = sorted({*self.names(kind), *more})
        near = difflib.get_close_matches(name, names, n=3)
        hint = (
            f"Did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"Installed: {', '.join(names)}."
        )
        return f"there is no {kind} named {name!r}. {hint}"


def _given(manager: pluggy.PluginManager, hook: str, what: str) -> Iterator[tuple[str, Any, str]]:
    """Yields what the plugins give in one hook: the name, the thing and the plugin's name."""
    owners: dict[str, str] = {}
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        plugin = implementation.plugin_name
        for name, thing in implementation.function().items():
            other = owners.setdefault(name, plugin)
            if other != plugin:
                raise PluginError(
                    f"two plugins give {what} named {name!r}: {other} and {plugin}. "
                    f"Uninstall one, or rename it in its `{hook}`."
                )
            yield name, thing, plugin


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
    """Returns a plugin manager that knows the hooks, and no plugin yet."""
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
