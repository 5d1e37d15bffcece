"""The models that are diffusers pipelines, one declaration each, for the suites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, FluxKontextPipeline, FluxPipeline, HunyuanVideoPipeline
from PIL import Image
from tiny_pipelines import flux, flux_images, hunyuan_video

from fastflow import Request, Video
from fastflow_plugins.models.flux import Flux, FluxFlow
from fastflow_plugins.models.flux_kontext import FluxKontext, KontextFlow
from fastflow_plugins.models.hunyuan_video import HunyuanVideo, HunyuanVideoFlow

PROMPTS = ["a red cat", "two dogs, left of a tree", "", "blue"]


def picture(width=24, height=16, seed=0, mode="RGB"):
    """Returns an image of random pixels."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy()).convert(mode)


def _same_image(ours, theirs):
    assert ours.size == theirs.size
    assert ours.tobytes() == theirs.tobytes()


def _same_video(ours, theirs):
    assert isinstance(ours, Video)
    assert ours.size == theirs[0].size
    assert len(ours.frames) == len(theirs)
    np.testing.assert_array_equal(ours.pixels(), np.stack([np.asarray(f) for f in theirs]))


@dataclass(frozen=True)
class Family:
    """A family of models and what is particular to it.

    Attributes:
        name: as it begins the keys of memories.
        pipeline: makes the tiny pipeline, by dtype, `guidance_embeds` and the scheduler's options.
        kind: its class.
        recipe_type: the recipe.
        flow: the class of the loaded model.
        mini: the name of its small model.
        usual: the recipe for the tiny pipeline.
        images: what requests bring, in turn.
        call: the arguments of its pipeline that no other family has, by recipe and request.
        outputs: the name of what the pipeline returns.
        assert_same: compares an output of ours with the pipeline's.
        size: the width and height of an output of the usual recipe.
        told: names of tensors that the transformer is given, guidance apart.
        matters: changes of the recipe that change the result.
        max_batch: of the six requests that are computed together.
        ruled: the kinds of model that have to keep the rules, with their true guidance.
        timesteps: what the scheduler wants besides the number of steps.
        probed: images of the probed requests, with the number of tokens that are probed.
        changes: of the recipe; no two of them may share a key.
        keys: expected keys by the recipe's changes.
        ignored: what leaves the key as it is.
    """

    name: str
    pipeline: Callable[..., DiffusionPipeline]
    kind: type[DiffusionPipeline]
    recipe_type: type
    flow: type
    mini: str
    usual: dict[str, Any]
    call: Callable[[Any, Request], dict[str, Any]]
    assert_same: Callable[[Any, Any], None]
    size: tuple[int, int]
    told: frozenset[str]
    max_batch: int
    ruled: tuple[tuple[type, float], ...]
    probed: tuple[tuple[Image.Image | None, int], ...]
    changes: tuple[dict[str, Any], ...]
    keys: tuple[tuple[str, dict[str, Any]], ...]
    images: tuple[Image.Image | None, ...] = (None,)
    outputs: str = "images"
    matters: tuple[dict[str, Any], ...] = ({"guidance_scale": 9.0},)
    timesteps: dict[str, Any] = field(default_factory=dict)
    ignored: tuple[dict[str, Any], ...] = ({"negative_prompt": "unused"},)

    def recipe(self, **options):
        """Returns the usual recipe, changed by options."""
        return self.recipe_type(**self.usual | options)

    def model(self, pipe=None, **options):
        """Returns a pipeline as a velocity field."""
        return self.flow(self.pipeline() if pipe is None else pipe, self.recipe(**options))

    def requests(self, count=1, steps=6, **options):
        """Returns requests of different prompts, seeds and images."""
        images = [self.images[i % len(self.images)] for i in range(count)]
        return [
            Request(i, PROMPTS[i % 4], 3 + i, steps, **{"image": image} | options)
            for i, image in enumerate(images)
        ]

    def run(self, pipe, recipe, request, output_type):
        """Calls the pipeline as its users do."""
        done = pipe(
            prompt=request.prompt,
            negative_prompt=recipe.negative_prompt,
            true_cfg_scale=recipe.true_cfg_scale,
            guidance_scale=recipe.guidance_scale,
            height=recipe.height,
            width=recipe.width,
            max_sequence_length=recipe.max_sequence_length,
            num_inference_steps=request.steps,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type=output_type,
            **self.call(recipe, request),
        )
        return getattr(done, self.outputs)[0]


class Editing(KontextFlow):
    """Edits one picture, whatever it is asked: so the kit's requests bring an image."""

    def prepare(self, request):
        return super().prepare(replace(request, image=picture(20, 32)))


def _video_call(recipe, request):
    template = {"template": recipe.prompt_template, "crop_start": recipe.crop_start}
    own = {} if recipe.prompt_template is None else {"prompt_template": template}
    return {"num_frames": recipe.frames, **own}


TOLD = frozenset({"hidden_states", "timestep", "pooled_projections", "encoder_hidden_states"})
CHANGES = (
    {},
    {"path": "other"},
    {"height": 32},
    {"guidance_scale": 1.0},
    {"true_cfg_scale": 2.0},
    {"true_cfg_scale": 2.0, "negative_prompt": "ugly"},
    {"max_sequence_length": 12},
    {"revision": "main"},
)

FLUX = Family(
    name="flux",
    pipeline=flux.pipeline,
    kind=FluxPipeline,
    recipe_type=Flux,
    flow=FluxFlow,
    mini="flux_mini",
    usual={"path": "tiny", "height": 16, "width": 24, "max_sequence_length": 24},
    call=lambda recipe, request: {},
    assert_same=_same_image,
    size=(24, 16),
    told=TOLD | {"txt_ids", "img_ids"},
    max_batch=4,
    ruled=((FluxFlow, 1.0), (FluxFlow, 2.5)),
    timesteps={"mu": 1.0},
    probed=((None, 24),),
    changes=CHANGES,
    keys=(("flux(tiny, 16x24, 24, guidance 3.5)", {}),),
)
KONTEXT = Family(
    name="flux_kontext",
    pipeline=flux_images.kontext,
    kind=FluxKontextPipeline,
    recipe_type=FluxKontext,
    flow=KontextFlow,
    mini="kontext_mini",
    usual=FLUX.usual | {"max_area": 384, "auto_resize": False},
    # two of one size, one of as many tokens in another shape, one of another size, two without
    images=(picture(), None, picture(16, 24), picture(seed=1), picture(40, 40), None),
    call=lambda recipe, request: {
        "image": request.image,
        "max_area": recipe.max_area,
        "_auto_resize": recipe.auto_resize,
    },
    assert_same=_same_image,
    size=(24, 16),
    told=FLUX.told,
    max_batch=6,
    ruled=((KontextFlow, 2.5), (Editing, 1.0), (Editing, 2.5)),
    timesteps={"mu": 1.0},
    probed=((None, 24), (picture(16, 32), 24 + 32)),
    changes=(*CHANGES, {"max_area": 2 * 384}, {"auto_resize": True}),
    keys=(
        ("flux_kontext(tiny, 16x24, 24, guidance 2.5)", {}),
        (
            "flux_kontext(tiny, 16x24, 24, guidance 2.5, references resized)",
            {"auto_resize": True},
        ),
    ),
)
HUNYUAN_VIDEO = Family(
    name="hunyuan_video",
    pipeline=hunyuan_video.pipeline,
    kind=HunyuanVideoPipeline,
    recipe_type=HunyuanVideo,
    flow=HunyuanVideoFlow,
    mini="hunyuan_video_mini",
    usual={
        "path": "tiny",
        "frames": 5,
        "height": 16,
        "width": 32,
        "max_sequence_length": 24,
        "prompt_template": "a video: {}",
        "crop_start": 9,
    },
    call=_video_call,
    outputs="frames",
    assert_same=_same_video,
    size=(32, 16),
    told=TOLD | {"encoder_attention_mask"},
    matters=({"guidance_scale": 9.0}, {"prompt_template": "a film of {} and"}),
    max_batch=4,
    ruled=((HunyuanVideoFlow, 1.0), (HunyuanVideoFlow, 2.5)),
    probed=((None, 2 * 1 * 2),),
    changes=(
        *CHANGES,
        {"frames": 9},
        {"prompt_template": "a film: {}"},
        {"crop_start": 0},
    ),
    keys=(
        (
            "hunyuan_video(tiny, 5x16x32, 24, guidance 6.0)",
            {"prompt_template": None, "crop_start": None},
        ),
    ),
    ignored=({"negative_prompt": "unused"}, {"fps": 3.0}),
)
FAMILIES = (FLUX, KONTEXT, HUNYUAN_VIDEO)
