"""A training of the smallest network, which was interrupted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from fastflow_minis.training.flow_matching import FlowMatching
from fastflow_minis.training.recipe import Recipe
from fastflow_minis.training.trainer import CHECKPOINT, resume_training, save_state
from fastflow_minis.zoo import find_recipe


def matching(recipe: Recipe) -> FlowMatching:
    """Returns the state of a training that has taken no step."""
    network = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 1)})
    return FlowMatching(network, lambda draw: network["a"](torch.ones(2)).sum(), recipe)


def checkpoint(folder: Path) -> Path:
    """Writes what a training of two steps saves, and returns the file."""
    training = matching(dataclasses.replace(find_recipe("flux_mini"), steps=3, muon_rate=None))
    for _ in range(2):
        training.advance()
    save_state(training.state_dict(), folder / CHECKPOINT)
    return folder / CHECKPOINT


def resumed(recipe: Recipe, run: Path, device: str) -> None:
    """Reads what a training saved, as training does, and trains nothing."""
    if (run / CHECKPOINT).exists():
        resume_training(matching(recipe), run / CHECKPOINT, device)
