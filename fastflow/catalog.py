"""The catalog: every installed component, by kind and name, and the plugin it came from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import entry_points

import pluggy

from fastflow import hooks
from fastflow.benchmark import Benchmark
from fastflow.corrector import Corrector
from fastflow.extrapolator import Extrapolator
from fastflow.method import Method
from fastflow.metric import Metric
from fastflow.model import Adapter
from fastflow.observer import Observer
from fastflow.policy import Policy
from fastflow.probe import Probe
from fastflow.reward import Reward
from fastflow.trainer import Trainer

GROUP = "fastflow"
KINDS: dict[str, tuple[str, type]] = {
    "policy": ("fastflow_policies", Policy),
    "extrapolator": ("fastflow_extrapolators", Extrapolator),
    "corrector": ("fastflow_correctors", Corrector),
    "reward": ("fastflow_rewards", Reward),
    "model": ("fastflow_adapters", Adapter),
    "probe": ("fastflow_probes", Probe),
    "method": ("fastflow_methods", Method),
    "metric": ("fastflow_metrics", Metric),
    "benchmark": ("fastflow_benchmarks", Benchmark),
    "observer": ("fastflow_observers", Observer),
    "trainer": ("fastflow_trainers", Trainer),
}


class PluginError(Exception):
    """A plugin that cannot be used: names the plugin, the hook and what to do."""


@dataclass(frozen=True)
class Entry:
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
    """All components of some plugins, looked up by kind and name."""

    def __init__(self, entries: list[Entry]):
        self.entries = entries
        self._by_name = {(e.kind, e.name): e for e in entries}

    @classmethod
    def collect(cls, manager: pluggy.PluginManager) -> Catalog:
        """Calls every hook of every registered plugin.

        Raises:
            PluginError: if two plugins give one name, or something is no component.
        """
        found: dict[tuple[str, str], Entry] = {}
        for kind, (hook, base) in KINDS.items():
            for implementation in getattr(manager.hook, hook).get_hookimpls():
                plugin = implementation.plugin_name
                for name, component in implementation.function().items():
                    entry = Entry(kind, name, component, plugin)
                    _check(entry, hook, base)
                    other = found.setdefault((kind, name), entry)
                    if other is not entry:
                        raise PluginError(
                            f"two plugins give a {kind} named {name!r}: {other.plugin} and "
                            f"{plugin}. Uninstall one, or rename it in its `{hook}`."
                        )
        return cls([found[key] for key in sorted(found)])

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

    def unknown(self, kind: str, name: str, more: list[str] | None = None) -> str:
        """Returns the message for a name that does not exist; ``more`` are other valid names."""
        names: list[str] = sorted({*self.names(kind), *(more or [])})
        near = difflib.get_close_matches(name, names, n=3)
        hint = (
            f"Did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"Installed: {', '.join(names)}."
        )
        return f"there is no {kind} named {name!r}. {hint}"


def _check(entry: Entry, hook: str, base: type) -> None:
    component = entry.component
    if not (isinstance(component, type) and issubclass(component, base)):
        raise PluginError(
            f"plugin {entry.plugin}: `{hook}` gives {entry.name!r} as {component!r}, "
            f"which is no subclass of `{base.__name__}`."
        )
    if not is_dataclass(component):
        raise PluginError(
            f"plugin {entry.plugin}: {entry.kind} {entry.name!r} is no dataclass. "
            "Decorate it with @dataclass(frozen=True, kw_only=True)."
        )


def manager() -> pluggy.PluginManager:
    """Returns a plugin manager that knows the hooks, and nobody who implements them."""
    plugins = pluggy.PluginManager(GROUP)
    plugins.add_hookspecs(hooks)
    return plugins


@cache
def installed() -> Catalog:
    """Returns the catalog of every installed plugin (entry-point group `fastflow`).

    Raises:
        PluginError: if a plugin cannot be imported or misuses a hook.
    """
    plugins = manager()
    for point in entry_points(group=GROUP):
        try:
            plugins.register(point.load(), name=point.name)
        except Exception as error:
            raise PluginError(
                f"plugin {point.name!r} ({point.value}) cannot be loaded: "
                f"{type(error).__name__}: {error}. Mend it or uninstall it."
            ) from error
    return Catalog.collect(plugins)
