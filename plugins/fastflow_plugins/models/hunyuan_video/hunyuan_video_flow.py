"""A HunyuanVideoPipeline as a velocity field: diffusers' arithmetic, one velocity at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fastflow.integration import Grid
from fastflow.sampling import Problem, Request, Video
from fastflow_plugins.models.diffusers import (
    HunyuanVideoProbe,
    PipelineFlow,
    check_frames,
    in_branch,
    stack,
    without_warnings,
)

if TYPE_CHECKING:
    from fastflow_plugins.models.hunyuan_video.hunyuan_video_recipe import HunyuanVideo


@dataclass(frozen=True)
class HunyuanVideoText:
    """Holds an encoded prompt, in the transformer's precision.

    Args:
        tokens: ``(1, L, D)``, from the language model, without those of the template.
        mask: ``(1, L)``, 1 for a token and 0 for padding.
        pooled: ``(1, P)``, from CLIP.
    """

    tokens: Tensor
    mask: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class HunyuanVideoCondition:
    """Holds the transformer's inputs other than latents and time.

    Args:
        texts: the prompt; with true guidance also the negative prompt.
    """

    texts: tuple[HunyuanVideoText, ...]


class HunyuanVideoFlow(PipelineFlow):
    """Computes a HunyuanVideoPipeline's velocity on latents ``(B, C, (F - 1)/4 + 1, H/8, W/8)``.

    The noise is drawn in float32, and every step rounds to the transformer's precision. So the
    latents are float32 at step 0 and in that precision from step 1 on, and the time that the
    model gets is rounded likewise.

    Args:
        pipe: a loaded HunyuanVideoPipeline.
        recipe: how to use it; its path, revision and variant only name the model.

    Raises:
        ValueError: if the pipeline is of another class, if its scheduler does not take plain Euler
            steps, or if frames or size do not fit its autoencoder.
    """

    pipeline: ClassVar[str] = "HunyuanVideoPipeline"
    family: ClassVar[str] = "hunyuan_video"
    recipe: HunyuanVideo

    def __init__(self, pipe: Any, recipe: HunyuanVideo):
        super().__init__(pipe, recipe)
        check_frames(recipe.frames, pipe.vae_scale_factor_temporal)
        if self.scheduler.config.get("use_dynamic_shifting"):
            raise ValueError(
                "the pipeline's scheduler cannot be used: its `use_dynamic_shifting` needs a "
                "number that a HunyuanVideoPipeline does not give. Set it to false (in a folder: "
                "scheduler/scheduler_config.json)."
            )
        self._template = self._template_of(recipe)

    @property
    def patch(self) -> int:
        return self.pipe.vae_scale_factor_spatial * self.pipe.transformer.config.patch_size

    @property
    def _shape(self) -> str:
        return f"{self.recipe.frames}x{super()._shape}"

    def _settings(self) -> list[str]:
        template, crop = self.recipe.prompt_template, self.recipe.crop_start
        parts = [] if template is None else [f"template {template!r}"]
        return super()._settings() + parts + ([] if crop is None else [f"cropped {crop}"])

    def _template_of(self, recipe: HunyuanVideo) -> dict[str, Any]:
        """Returns the pipeline's argument for the template; none if it is the pipeline's own."""
        template, crop = recipe.prompt_template, recipe.crop_start
        if template is None:
            return {}
        if crop is None:
            crop = len(self.pipe.tokenizer(template.partition("{}")[0]).input_ids)
        return {"prompt_template": {"template": template, "crop_start": crop}}

    def _make_grid(self, steps: int) -> Grid:
        sigmas = np.linspace(1.0, 0.0, steps + 1)[:-1]
        self.scheduler.set_timesteps(sigmas=sigmas, device=self.pipe._execution_device)
        return Grid(self.scheduler.sigmas, self.scheduler.timesteps)

    @torch.no_grad()
    def prepare(self, request: Request) -> Problem:
        if request.image is not None:
            raise ValueError(
                f"{self.pipeline} does not take images: leave out the request's `image`."
            )
        texts = tuple(self._encode(prompt) for prompt in self._prompts(request))
        x = self.pipe.prepare_latents(
            1,
            self.pipe.transformer.config.in_channels,
            self.height,
            self.width,
            self.recipe.frames,
            torch.float32,
            self.pipe._execution_device,
            torch.Generator("cpu").manual_seed(request.seed),
        )
        return Problem(x, self.grid(request.steps), HunyuanVideoCondition(texts), request)

    def _encode(self, prompt: str) -> HunyuanVideoText:
        length = self.recipe.max_sequence_length
        with without_warnings():
            tokens, pooled, mask = self.pipe.encode_prompt(
                prompt, max_sequence_length=length, **self._template
            )
        if not mask.any():  # the mean of no tokens is not a number
            raise ValueError(
                f"the prompt {prompt!r} has no token left once the template is cut off. Lower "
                "`crop_start`, or let `prompt_template` continue after {}."
            )
        dtype = self.pipe.transformer.dtype
        return HunyuanVideoText(tokens.to(dtype), mask.to(dtype), pooled.to(dtype))

    def _call(
        self, branch: int, x: Tensor, t: Tensor, conditioning: Sequence[HunyuanVideoCondition]
    ) -> Tensor:
        texts = [condition.texts[branch] for condition in conditioning]
        with in_branch(self.pipe.transformer, branch):
            return self.pipe.transformer(
                **self._inputs(x, t, texts),
                encoder_hidden_states=stack([text.tokens for text in texts]),
                encoder_attention_mask=stack([text.mask for text in texts]),
                attention_kwargs=None,
                return_dict=False,
            )[0]

    def _inputs(
        self, x: Tensor, t: Tensor, texts: Sequence[HunyuanVideoText]
    ) -> dict[str, Tensor]:
        """Returns the transformer's inputs other than the prompt's tokens."""
        dtype = self.pipe.transformer.dtype
        scale = [self.recipe.guidance_scale] * len(x)
        return {
            "hidden_states": x.to(dtype),
            "timestep": t.to(x.dtype),
            "pooled_projections": stack([text.pooled for text in texts]),
            "guidance": torch.tensor(scale, dtype=dtype, device=x.device) * 1000.0,
        }

    @torch.no_grad()
    def decode(self, x: Tensor, problem: Problem) -> Video:
        vae = self.pipe.vae
        video = vae.decode(x.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
        frames = self.pipe.video_processor.postprocess_video(video, output_type="pil")[0]
        self.pipe.maybe_free_model_hooks()
        return Video(tuple(frames), self.recipe.fps)

    @torch.no_grad()
    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[HunyuanVideoCondition]) -> Tensor:
        """Returns the first block's modulated input in the prompt's branch, ``(B, N, D)``."""
        texts = [condition.texts[0] for condition in conditioning]
        return HunyuanVideoProbe().signal(self.pipe.transformer, self._inputs(x, t, texts))
