"""Small flow models, trained on a world of coloured shapes, and that world itself."""

from importlib import import_module

from fastflow_minis.recipe import Recipe
from fastflow_minis.recipes import MINIS

__all__ = ["MINIS", "Recipe", "export", "folder", "train"]

_LATE = {"train": "training", "export": "folders", "folder": "folders"}


def __getattr__(name: str):
    """Imports what needs torch and diffusers at its first use."""
    if name in _LATE:
        return getattr(import_module(f"fastflow_minis.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
