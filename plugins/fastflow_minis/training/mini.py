"""What the trainer expects of a mini model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

Objective = Callable[["torch.Generator"], "torch.Tensor"]
"""Draws a batch and returns its loss, a scalar; all randomness is the generator's (on the CPU)."""


class Mini(ABC):
    """Describes a model under training.

    Attributes:
        learners: The parts that flow matching trains, under their names in the model, on their
            device.
    """

    learners: nn.ModuleDict

    @abstractmethod
    def objective(self, run: Path) -> Objective:
        """Gathers the training examples and returns the loss.

        Args:
            run: The training run's folder, where the examples are kept for a resumed run.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the current model in the layout that its pipeline loads."""
