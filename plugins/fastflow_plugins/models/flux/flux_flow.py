"""FLUX's pipelines as velocity fields: diffusers' arithmetic, one velocity at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastflow.integration import Grid
from fastflow.sampling import Problem, Request
from fastflow_plugins.models.diffusers import (
    FluxProbe,
    PipelineFlow,
    in_branch,
    stack,
    without_warnings,
)

if TYPE_CHECKING:
    from fastflow_plugins.models.flux.flux_recipe import Flux


@dataclass(frozen=True)
class FluxText:
    """Holds an encoded prompt.

    Args:
        tokens: ``(1, L, D)``, from T5.
        pooled: ``(1, P)``, from CLIP.
        ids: ``(L, 3)`` positions, all zero.
    """

    tokens: Tensor
    pooled: Tensor
    ids: Tensor


@dataclass(frozen=True)
class FluxCondition:
    """Holds the transformer's inputs other than latents and time.

    Args:
        texts: the prompt; with true guidance also the negative prompt.
        image_ids: ``(N + M, 3)`` positions of the latents, then of the reference image.
        reference: ``(1, M, 4C)`` packed latents of an image to edit, or None.
        size: the height and width in pixels at which that image was encoded; they determine M.
    """

    texts: tuple[FluxText, ...]
    image_ids: Tensor
    reference: Tensor | None = None
    size: tuple[int, int] | None = None


class FluxFlow(PipelineFlow):
    """Computes a FluxPipeline's velocity on packed latents ``(B, N, 4C)``, N = H/16 x W/16.

    Its arguments and errors are those of `PipelineFlow`.
    """

    pipeline: ClassVar[str] = "FluxPipeline"
    family: ClassVar[str] = "flux"

    recipe: Flux

    @property
    def patch(self) -> int:
        return 2 * self.pipe.vae_scale_factor

    def _make_grid(self, steps: int) -> Grid:
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        config = self.scheduler.config
        mu = calculate_shift(
            (self.height // self.patch) * (self.width // self.patch),  # a reference does not count
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 4096),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.15),
        )
        sigmas = np.linspace(1.0, 1 / steps, steps)
        self.scheduler.set_timesteps(sigmas=sigmas, device=self.pipe._execution_device, mu=mu)
        return Grid(self.scheduler.sigmas, self.scheduler.timesteps)

    @torch.no_grad()
    def prepare(self, request: Request) -> Problem:
        texts = tuple(self._encode(prompt) for prompt in self._prompts(request))
        x, condition = self._start(request, texts)
        return Problem(x, self.grid(request.steps), condition, request)

    def _start(
        self, request: Request, texts: tuple[FluxText, ...]
    ) -> tuple[Tensor, FluxCondition]:
        """Draws the noise and builds the condition that belongs to it."""
        if request.image is not None:
            raise ValueError(
                f"{self.pipeline} does not edit images: leave out the request's `image`."
            )
        x, image_ids = self.pipe.prepare_latents(*self._noise(request, texts))
        return x, FluxCondition(texts, image_ids)

    def _noise(self, request: Request, texts: tuple[FluxText, ...]) -> tuple[Any, ...]:
        """Returns the arguments of `prepare_latents`."""
        channels = self.pipe.transformer.config.in_channels // 4
        generator = torch.Generator("cpu").manual_seed(request.seed)
        dtype, device = texts[0].tokens.dtype, self.pipe._execution_device
        return 1, channels, self.height, self.width, dtype, device, generator

    def _encode(self, prompt: str) -> FluxText:
        length = self.recipe.max_sequence_length
        with without_warnings():
            tokens, pooled, ids = self.pipe.encode_prompt(prompt, max_sequence_length=length)
        return FluxText(tokens, pooled, ids)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[FluxCondition]) -> Tensor:
        groups: dict[Any, list[int]] = {}
        for row, condition in enumerate(conditioning):
            groups.setdefault(condition.size, []).append(row)
        if len(groups) == 1:
            return super().velocity(x, t, conditioning)
        v = torch.empty_like(x)
        for rows in groups.values():  # the transformer takes one set of positions per call
            v[rows] = super().velocity(x[rows], t[rows], [conditioning[row] for row in rows])
        return v

    def _call(
        self, branch: int, x: Tensor, t: Tensor, conditioning: Sequence[FluxCondition]
    ) -> Tensor:
        """Calls the transformer once, for one branch of guidance; ``(B, N, 4C)``."""
        transformer, texts = self.pipe.transformer, [c.texts[branch] for c in conditioning]
        with in_branch(transformer, branch):
            return transformer(
                hidden_states=_tokens(x, conditioning),
                timestep=t.to(x.dtype) / 1000,
                guidance=self._guidance(x),
                pooled_projections=stack([text.pooled for text in texts]),
                encoder_hidden_states=stack([text.tokens for text in texts]),
                txt_ids=texts[0].ids,
                img_ids=conditioning[0].image_ids,
                joint_attention_kwargs={},
                return_dict=False,
            )[0][:, : x.shape[1]]

    def _guidance(self, x: Tensor) -> Tensor | None:
        """Returns the embedded guidance, ``(B,)`` float32; None if the model embeds none."""
        if not self._embeds_guidance:
            return None
        scale = self.recipe.guidance_scale
        return torch.full([1], scale, device=x.device, dtype=torch.float32).expand(len(x))

    @torch.no_grad()
    def decode(self, x: Tensor, problem: Problem) -> Image.Image:
        vae = self.pipe.vae
        z = self.pipe._unpack_latents(x, self.height, self.width, self.pipe.vae_scale_factor)
        z = z / vae.config.scaling_factor + vae.config.shift_factor
        pixels = vae.decode(z, return_dict=False)[0]
        self.pipe.maybe_free_model_hooks()
        return self.pipe.image_processor.postprocess(pixels, output_type="pil")[0]

    @torch.no_grad()
    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[FluxCondition]) -> Tensor:
        """Returns the first block's modulated input in the prompt's branch, ``(B, N + M, D)``.

        All reference images of a batch must have the same size.
        """
        inputs = {
            "hidden_states": _tokens(x, conditioning),
            "timestep": t.to(x.dtype) / 1000,
            "guidance": self._guidance(x),
            "pooled_projections": stack([c.texts[0].pooled for c in conditioning]),
        }
        return FluxProbe().signal(self.pipe.transformer, inputs)


def _tokens(x: Tensor, conditioning: Sequence[FluxCondition]) -> Tensor:
    """Returns the latents followed by their reference images, ``(B, N + M, 4C)``."""
    references = [c.reference for c in conditioning if c.reference is not None]
    return torch.cat([x, stack(references)], dim=1) if references else x
