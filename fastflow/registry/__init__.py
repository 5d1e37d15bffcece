"""Components by kind and name: hooks, catalog and configurations, with pluggy and Hydra."""

from fastflow.registry.catalog import PluginError, installed
from fastflow.registry.compose import build, preset, read
from fastflow.registry.hooks import KINDS, Command, hookimpl

__all__ = [
    "KINDS",
    "Command",
    "PluginError",
    "build",
    "hookimpl",
    "installed",
    "preset",
    "read",
]
