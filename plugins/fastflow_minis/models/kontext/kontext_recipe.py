"""The recipe of `kontext_mini`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastflow_minis.models.flux.flux_recipe import FluxParts
from fastflow_minis.training.mini import Mini


@dataclass(frozen=True)
class KontextRecipe(FluxParts):
    """Trains a FluxKontextPipeline that edits scenes, from a mini that draws them.

    Attributes:
        start: The mini, or the folder of a FluxPipeline, whose autoencoder it keeps and from whose
            other weights it starts where shapes allow.
    """

    name = "kontext_mini"

    steps: int = 5_000
    batch: int = 32
    examples: int = 30_000
    start: str = "flux_mini"

    def build(self, run: Path, device: str = "cpu") -> Mini:
        from fastflow_minis.models.kontext.kontext_mini import build_kontext

        return build_kontext(self, run, device)
