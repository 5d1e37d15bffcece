"""FLUX: text to image."""

from fastflow_plugins.models.flux.flux_flow import FluxCondition, FluxFlow, FluxText
from fastflow_plugins.models.flux.flux_recipe import Flux

__all__ = [
    "Flux",
    "FluxCondition",
    "FluxFlow",
    "FluxText",
]
