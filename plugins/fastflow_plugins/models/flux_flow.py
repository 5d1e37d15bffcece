"""A FluxPipeline as a velocity field: diffusers' arithmetic, one velocity at a time."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastflow.grid import Grid
from fastflow.model import FlowModel
from fastflow.records import Problem, Request
from fastflow_plugins.models.checks import check_class, check_scheduler, check_size
from fastflow_plugins.probes.modulated import FluxProbe

if TYPE_CHECKING:
    from fastflow_plugins.models.flux import Flux

BRANCHES = ("cond", "uncond")  # diffusers' names of their caches


@dataclass(frozen=True)
class Text:
    """An encoded prompt.

    Args:
        tokens: ``(1, L, D)`` of T5.
        pooled: ``(1, P)`` of CLIP.
        ids: ``(L, 3)`` positions, all zero.
    """

    tokens: Tensor
    pooled: Tensor
    ids: Tensor


@dataclass(frozen=True)
class Condition:
    """What the transformer sees beside latents and time.

    Args:
        texts: the prompt; with true guidance also the negative prompt.
        image_ids: ``(N, 3)`` positions of the latents.
    """

    texts: tuple[Text, ...]
    image_ids: Tensor


class FluxFlow(FlowModel):
    """A FluxPipeline as a velocity field on packed latents ``(B, N, 4C)``, N = H/16 x W/16.

    The numbers are the pipeline's own, bit for bit, as long as no step is skipped and samples
    are not batched. The pipeline stays as it is and may be used beside.

    Args:
        pipe: a loaded FluxPipeline.
        recipe: how to use it; its path, revision and variant only name the model.

    Raises:
        ValueError: if the pipeline is none of FLUX, if its scheduler does not take plain Euler
            steps, or if the size does not fit its autoencoder.
    """

    def __init__(self, pipe: Any, recipe: Flux):
        check_class(pipe, "FluxPipeline")
        check_scheduler(pipe.scheduler)
        check_size(recipe.height, recipe.width, 2 * pipe.vae_scale_factor)
        self.pipe, self.recipe = pipe, recipe
        self.scheduler = copy.copy(pipe.scheduler)  # the user's keeps its state
        self.is_guided = recipe.true_cfg_scale > 1
        self.calls_per_velocity = 2 if self.is_guided else 1
        self.key = _key(recipe, self._embeds_guidance)
        self._grids: dict[int, Grid] = {}

    @property
    def network(self) -> Any:
        return self.pipe.transformer

    @property
    def _embeds_guidance(self) -> bool:
        return self.pipe.transformer.config.guidance_embeds

    def grid(self, steps: int) -> Grid:
        if steps not in self._grids:
            self._grids[steps] = self._make_grid(steps)
        return self._grids[steps]

    def _make_grid(self, steps: int) -> Grid:
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        config = self.scheduler.config
        patch = 2 * self.pipe.vae_scale_factor
        mu = calculate_shift(
            (self.recipe.height // patch) * (self.recipe.width // patch),
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
        x, image_ids = self.pipe.prepare_latents(
            1,
            self.pipe.transformer.config.in_channels // 4,
            self.recipe.height,
            self.recipe.width,
            texts[0].tokens.dtype,
            self.pipe._execution_device,
            torch.Generator("cpu").manual_seed(request.seed),
        )
        return Problem(x, self.grid(request.steps), Condition(texts, image_ids), request)

    def _prompts(self, request: Request) -> list[str]:
        """Returns one prompt per guidance branch."""
        if not self.is_guided:
            return [request.prompt]
        own = request.negative_prompt
        return [request.prompt, self.recipe.negative_prompt if own is None else own]

    def _encode(self, prompt: str) -> Text:
        length = self.recipe.max_sequence_length
        tokens, pooled, ids = self.pipe.encode_prompt(prompt, max_sequence_length=length)
        return Text(tokens, pooled, ids)

    @torch.no_grad()
    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Condition]) -> Tensor:
        v = self._call(0, x, t, conditioning)
        if not self.is_guided:
            return v
        away = self._call(1, x, t, conditioning)
        return away + self.recipe.true_cfg_scale * (v - away)

    def _call(
        self, branch: int, x: Tensor, t: Tensor, conditioning: Sequence[Condition]
    ) -> Tensor:
        """Calls the transformer once, for one branch of guidance; ``(B, N, 4C)``."""
        transformer, texts = self.pipe.transformer, [c.texts[branch] for c in conditioning]
        with transformer.cache_context(BRANCHES[branch]):
            return transformer(
                hidden_states=x,
                timestep=t.to(x.dtype) / 1000,
                guidance=self._guidance(x),
                pooled_projections=_stack([text.pooled for text in texts]),
                encoder_hidden_states=_stack([text.tokens for text in texts]),
                txt_ids=texts[0].ids,
                img_ids=conditioning[0].image_ids,
                joint_attention_kwargs={},
                return_dict=False,
            )[0]

    def _guidance(self, x: Tensor) -> Tensor | None:
        """Returns the embedded guidance, ``(B,)`` float32; None if the model embeds none."""
        if not self._embeds_guidance:
            return None
        scale = self.recipe.guidance_scale
        return torch.full([1], scale, device=x.device, dtype=torch.float32).expand(len(x))

    @torch.no_grad()
    def decode(self, x: Tensor, problem: Problem) -> Image.Image:
        vae, recipe = self.pipe.vae, self.recipe
        z = self.pipe._unpack_latents(x, recipe.height, recipe.width, self.pipe.vae_scale_factor)
        z = z / vae.config.scaling_factor + vae.config.shift_factor
        pixels = vae.decode(z, return_dict=False)[0]
        self.pipe.maybe_free_model_hooks()
        return self.pipe.image_processor.postprocess(pixels, output_type="pil")[0]

    @torch.no_grad()
    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[Condition]) -> Tensor:
        """Returns what the first block would see of the prompt's branch, ``(B, N, D)``."""
        inputs = {
            "hidden_states": x,
            "timestep": t.to(x.dtype) / 1000,
            "guidance": self._guidance(x),
            "pooled_projections": _stack([c.texts[0].pooled for c in conditioning]),
        }
        return FluxProbe().look(self.pipe.transformer, inputs)


def _stack(rows: Sequence[Tensor]) -> Tensor:
    return rows[0] if len(rows) == 1 else torch.cat(list(rows))


def _key(recipe: Flux, embeds_guidance: bool) -> str:
    """Names what changes the velocity; memories of other keys do not fit."""
    parts = [recipe.path, f"{recipe.height}x{recipe.width}", f"{recipe.max_sequence_length}"]
    if recipe.revision:
        parts.append(f"revision {recipe.revision}")
    if embeds_guidance:
        parts.append(f"guidance {recipe.guidance_scale}")
    if recipe.true_cfg_scale > 1:
        parts.append(f"true_cfg {recipe.true_cfg_scale} from {recipe.negative_prompt!r}")
    return f"flux({', '.join(parts)})"
