"""Components by kind and name: hooks, catalog and configurations, with pluggy and Hydra."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastflow.registry.applications.plugin_commands import Command, hookimpl

if TYPE_CHECKING:
    from fastflow.registry.catalog import Catalog, CatalogEntry, PluginError, installed
    from fastflow.registry.compose import (
        build,
        build_chosen,
        build_listed,
        load,
        preset,
        presets,
        read,
        save,
        settings_of,
        to_yaml,
    )
    from fastflow.registry.hooks import KINDS, Kind
    from fastflow.registry.messages import ConfigError

__all__ = [
    "KINDS",
    "Catalog",
    "CatalogEntry",
    "Command",
    "ConfigError",
    "Kind",
    "PluginError",
    "build",
    "build_chosen",
    "build_listed",
    "hookimpl",
    "installed",
    "load",
    "preset",
    "presets",
    "read",
    "save",
    "settings_of",
    "to_yaml",
]

# Imported on first use: a plugin's commands are listed before Hydra and torch are there.
_HOMES = {
    "KINDS": "hooks",
    "Kind": "hooks",
    "Catalog": "catalog",
    "CatalogEntry": "catalog",
    "PluginError": "catalog",
    "installed": "catalog",
    "ConfigError": "messages",
}


def __getattr__(name: str) -> Any:
    """Imports what is public when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "compose")
    value = getattr(import_module(f"fastflow.registry.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
