"""FLUX Kontext: edits of images."""

from fastflow_plugins.models.flux_kontext.flux_kontext_flow import KontextFlow
from fastflow_plugins.models.flux_kontext.flux_kontext_recipe import FluxKontext

__all__ = [
    "FluxKontext",
    "KontextFlow",
]
