"""Small flow models trained on worlds of coloured shapes, and those worlds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastflow_minis.training.recipe import Recipe
from fastflow_minis.zoo import MINIS, folder

if TYPE_CHECKING:
    from fastflow_minis.training.trainer import export_mini, train

__all__ = ["MINIS", "Recipe", "export_mini", "folder", "train"]


def __getattr__(name: str) -> Any:
    """Imports the functions that need torch and diffusers when they are first used."""
    if name in ("export_mini", "train"):
        return getattr(import_module("fastflow_minis.training.trainer"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
