"""What a mini model is made of and how it is trained, as data."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """All hyperparameters of a FLUX-like mini model.

    Attributes:
        seed: Of weights, scenes and noise.
        bank: Number of scenes that are drawn once, encoded and kept in memory.
        vae_channels: Channels of the autoencoder at 64, 32 and 16 pixels.
        latent_channels: Channels of a latent (C, 16, 16).
        vae_steps: Optimiser steps of the autoencoder.
        vae_batch: Images in one of its steps.
        vae_rate: Its highest learning rate.
        kl_weight: Weight of the mean KL divergence (nats per latent element).
        heads: Attention heads of the transformer, 32 wide each.
        double_blocks: Transformer blocks with separate text and image weights.
        single_blocks: Transformer blocks that share them.
        text_width: Width of both text encoders.
        t5_layers: Layers of the T5 encoder.
        clip_layers: Layers of the CLIP encoder.
        tokens: Length of the text sequence (`max_sequence_length` of the pipeline).
        steps: Optimiser steps of transformer and text encoders.
        batch: Samples in one step.
        rate: Highest learning rate of AdamW, in the middle of warm-up and cosine decay.
        muon_rate: Learning rate of Muon for the blocks' matrices; None leaves all to AdamW.
        warmup: Steps of linear warm-up.
        weight_decay: Decoupled weight decay.
        sigma_mean: Mean of the noise level's logit.
        sigma_std: Standard deviation of the noise level's logit.
        dropout: Share of captions that are replaced by the empty one.
        relational: How many times more often captions of two kinds of object are drawn than
            others.
        ema: Decay of the weights' moving average.
        checkpoint_minutes: Time between two checkpoints.
    """

    seed: int = 0
    bank: int = 40_000
    vae_channels: tuple[int, int, int] = (16, 32, 32)
    latent_channels: int = 4
    vae_steps: int = 1_600
    vae_batch: int = 16
    vae_rate: float = 2e-3
    kl_weight: float = 3e-5
    heads: int = 4
    double_blocks: int = 2
    single_blocks: int = 4
    text_width: int = 96
    t5_layers: int = 2
    clip_layers: int = 1
    tokens: int = 14
    steps: int = 6_000
    batch: int = 64
    rate: float = 1.5e-3
    muon_rate: float | None = 0.02
    warmup: int = 200
    weight_decay: float = 0.01
    sigma_mean: float = 0.8
    sigma_std: float = 1.1
    dropout: float = 0.1
    relational: float = 3.0
    ema: float = 0.998
    checkpoint_minutes: float = 4.0

    def __post_init__(self):
        for name in ("bank", "vae_steps", "steps", "batch", "vae_batch", "tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1), got {self.dropout}.")
        if not 0 <= self.ema < 1:
            raise ValueError(f"`ema` must be in [0, 1), got {self.ema}.")

    def write(self, path: Path) -> None:
        """Writes the recipe as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Reads what `write` wrote."""
        fields: dict[str, Any] = json.loads(path.read_text())
        for name, value in fields.items():
            fields[name] = tuple(value) if isinstance(value, list) else value
        return cls(**fields)


MINIS: dict[str, Recipe] = {"flux_mini": Recipe()}
"""The recipes by name."""
