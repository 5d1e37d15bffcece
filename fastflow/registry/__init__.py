"""Components by kind and name: hooks, catalog and configurations, with pluggy and Hydra."""

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
from fastflow.registry.hooks import KINDS, Command, Kind, hookimpl
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
