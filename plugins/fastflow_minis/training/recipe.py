"""The recipe of a mini model: its hyperparameters, as data."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from fastflow_minis.training.mini import Mini

_MAY_BE_ZERO = ("seed", "warmup")
_ANY_SIGN = ("sigma_mean",)


@dataclass(frozen=True)
class Recipe(ABC):
    """Holds the hyperparameters that all minis share; each mini's recipe adds its own.

    Attributes:
        seed: Seed of weights, examples and noise.
        steps: Optimiser steps of flow matching.
        batch: Samples in one step.
        rate: Highest learning rate of AdamW, between warm-up and cosine decay.
        muon_rate: Learning rate of Muon for the blocks' matrices; None leaves all to AdamW.
        warmup: Steps of linear warm-up.
        weight_decay: Decoupled weight decay.
        sigma_mean: Mean of the noise level's logit.
        sigma_std: Standard deviation of the noise level's logit.
        dropout: Share of captions that are replaced by the empty one.
        ema: Decay of the weights' moving average.
        checkpoint_minutes: Time between two checkpoints.
    """

    name: ClassVar[str]

    seed: int = 0
    steps: int = 6_000
    batch: int = 64
    rate: float = 1.5e-3
    muon_rate: float | None = 0.02
    warmup: int = 200
    weight_decay: float = 0.01
    sigma_mean: float = 0.8
    sigma_std: float = 1.1
    dropout: float = 0.1
    ema: float = 0.998
    checkpoint_minutes: float = 4.0

    def __post_init__(self):
        for name, value in asdict(self).items():
            if isinstance(value, float) and not 0 <= value < math.inf and name not in _ANY_SIGN:
                raise ValueError(f"`{name}` must be a finite number, 0 or more, got {value}.")
            if isinstance(value, tuple | list) and not (value and min(value) >= 1):
                raise ValueError(f"`{name}` must list numbers from 1 on, got {list(value)}.")
            if type(value) is int and name not in _MAY_BE_ZERO and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"`seed` must be 0 or more, and below 2^63, got {self.seed}.")
        if not math.isfinite(self.sigma_mean):
            raise ValueError(f"`sigma_mean` must be a finite number, got {self.sigma_mean}.")
        if self.warmup < 0:
            raise ValueError(f"`warmup` must be 0 or more, got {self.warmup}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1), got {self.dropout}.")
        if not 0 <= self.ema < 1:
            raise ValueError(f"`ema` must be in [0, 1), got {self.ema}.")

    @abstractmethod
    def build(self, run: Path, device: str = "cpu") -> Mini:
        """Builds the model as it is before flow matching; imports torch only when it is called.

        Args:
            run: The training run's folder, where parts that are trained first (an autoencoder)
                are kept.
            device: Where it will be trained, such as "cpu" or "cuda".
        """

    def write(self, path: Path) -> None:
        """Writes the recipe as JSON; `zoo.read_recipe` reads it."""
        path.write_text(json.dumps({"mini": self.name, **asdict(self)}, indent=2) + "\n")

    @classmethod
    def settings(cls) -> list[str]:
        """Returns the names of the hyperparameters."""
        return [field.name for field in fields(cls)]


@dataclass(frozen=True)
class AutoencoderParts(Recipe):
    """Adds the hyperparameters of a mini's autoencoder.

    Attributes:
        vae_channels: Channels at 64, 32, 16, ... pixels.
        latent_channels: Channels of a latent.
        vae_steps: Optimiser steps.
        vae_batch: Images or videos in one step.
        vae_rate: The highest learning rate.
        kl_weight: Weight of the mean KL divergence (nats per latent element).
    """

    vae_channels: tuple[int, ...] = (16, 32, 32)
    latent_channels: int = 4
    vae_steps: int = 1_600
    vae_batch: int = 16
    vae_rate: float = 2e-3
    kl_weight: float = 3e-5
