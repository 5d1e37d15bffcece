"""The network itself, made of its transformer, embeddings and SigLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import Qwen2Config, SiglipVisionConfig

from fastflow_plugins.models.bagel.network.context import Context, Segment
from fastflow_plugins.models.bagel.network.embeddings import (
    Connector,
    Places,
    TimeEmbedding,
    Vision,
)
from fastflow_plugins.models.bagel.network.transformer import Streams, Transformer, join

LATENT = 64  # values of a latent token: 2 x 2 places of 16 channels


@dataclass(frozen=True)
class Markers:
    """Holds the ids of the tokens before and after a text or an image.

    Args:
        text: before and after a text.
        image: before and after an image.
    """

    text: tuple[int, int]
    image: tuple[int, int]


class Network(nn.Module):
    """Computes BAGEL's contexts and velocities; its parts have the official checkpoint's names.

    Args:
        language: the transformer's configuration.
        vision: SigLIP's configuration.
        side: the side of the square table of latent positions.
        markers: the tokens around texts and images.
    """

    def __init__(
        self, language: Qwen2Config, vision: SiglipVisionConfig, side: int, markers: Markers
    ):
        super().__init__()
        width = language.hidden_size
        self.markers = markers
        self.language_model = nn.ModuleDict({"model": Transformer(language)})
        self.vit_model = nn.ModuleDict({"vision_model": Vision(vision)})
        self.connector = Connector(vision.hidden_size, width)
        self.vit_pos_embed = Places(self.vision.side, width)
        self.latent_pos_embed = Places(side, width)
        self.time_embedder = TimeEmbedding(width)
        self.vae2llm = nn.Linear(LATENT, width)
        self.llm2vae = nn.Linear(width, LATENT)

    @property
    def transformer(self) -> Transformer:
        """The Mixture of Transformers."""
        return self.language_model["model"]  # type: ignore[return-value]

    @property
    def vision(self) -> Vision:
        """SigLIP."""
        return self.vit_model["vision_model"]  # type: ignore[return-value]

    @property
    def device(self) -> torch.device:
        """The device of its weights."""
        return self.transformer.embed_tokens.weight.device

    def read_text(self, context: Context, words: Sequence[int] | Tensor) -> Context:
        """Reads a text, given as token ids ``(L,)``."""
        ids = torch.as_tensor(words, dtype=torch.long, device=self.device)
        first, last = torch.tensor(self.markers.text, device=self.device).split(1)
        tokens = self.transformer.embed_tokens(torch.cat([first, ids, last]))
        positions = context.position + torch.arange(len(tokens), device=self.device)
        _, segment = self.transformer((tokens,), positions, context, causal=True)
        return context.extended(segment, len(tokens))

    def read_latents(self, context: Context, latents: Tensor, places: Tensor) -> Context:
        """Reads an image as clean latents ``(N, 64)``, at time 0."""
        t = torch.zeros(1, device=self.device)
        streams = self._around(latents, t, places)
        _, segment = self._pass_image(context, streams, len(latents) + 2)
        return context.extended(segment, 1)

    def read_view(self, context: Context, patches: Tensor, places: Tensor) -> Context:
        """Reads an image as SigLIP's features of its patches ``(N, 588)``."""
        features = self.connector(self.vision(patches, places)) + self.vit_pos_embed(places)
        first, last = self._image_markers().split(1)
        tokens = torch.cat([first, features.to(first.dtype), last])
        _, segment = self._pass_image(context, (tokens,), len(tokens))
        return context.extended(segment, 1)

    def velocity(self, context: Context, x: Tensor, t: Tensor, places: Tensor) -> Tensor:
        """Returns the velocity ``(N, 64)`` of latents ``(N, 64)`` at t ``(1,)``; 1 is noise."""
        streams = self._around(x, t.expand(len(x)), places)
        outputs, _ = self._pass_image(context, streams, len(x) + 2)
        # markers are cut off last, as in BAGEL's code: other shapes round differently
        return self.llm2vae(join(outputs))[1:-1]

    def _around(self, latents: Tensor, t: Tensor, places: Tensor) -> Streams:
        """Returns the markers around latents, and the latents as tokens."""
        markers = self._image_markers()
        tokens = self.vae2llm(latents) + self.time_embedder(t) + self.latent_pos_embed(places)
        return markers, tokens.to(markers.dtype)

    def _pass_image(
        self, context: Context, streams: Streams, length: int
    ) -> tuple[Streams, Segment]:
        """Passes an image through the transformer, all of it at one position, without a mask."""
        positions = torch.full((length,), context.position, device=self.device)
        return self.transformer(streams, positions, context, causal=False)

    def _image_markers(self) -> Tensor:
        """Returns the tokens ``(2, D)`` around an image."""
        return self.transformer.embed_tokens(torch.tensor(self.markers.image, device=self.device))
