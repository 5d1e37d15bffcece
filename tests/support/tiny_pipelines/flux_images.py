"""The pipelines of FLUX that are given an image: Kontext, img2img, inpainting, ControlNet."""

import warnings
from functools import partial

import torch
from diffusers import (
    DiffusionPipeline,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxKontextPipeline,
)
from PIL import Image
from torch import nn

from . import flux
from .building import picture, ready, same_weights
from .case import Case, each_step
from .flux import HEIGHT, SHAPE, TRUE_CFG, WIDTH


def kontext(dtype: torch.dtype = torch.float32, **options) -> DiffusionPipeline:
    """Returns a FLUX-Kontext pipeline."""
    return flux.pipeline(dtype, kind=FluxKontextPipeline, **options)


def controlled(dtype: torch.dtype = torch.float32) -> FluxControlNetPipeline:
    """Returns a FLUX pipeline with a ControlNet that matters."""
    with same_weights():
        pipe = FluxControlNetPipeline(**flux.parts(), controlnet=controlnet())
    return ready(pipe, dtype)


def controlnet() -> FluxControlNetModel:
    """Returns a ControlNet of one block of each kind.

    An untrained one adds zero to the transformer: its layers of zeros are drawn anew.
    """
    with warnings.catch_warnings():
        # diffusers' own import in controlnet_flux.py
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        model = FluxControlNetModel(
            num_layers=1, num_single_layers=1, guidance_embeds=True, **flux.sizes()
        )
    for layer in model.modules():
        if isinstance(layer, nn.Linear) and not layer.weight.any():
            layer.reset_parameters()
    return model


def kontext_inputs(**changes) -> dict:
    """Returns the arguments of an edit: a square reference beside the image to make."""
    usual = {"image": picture(16, 16), "max_area": HEIGHT * WIDTH, "_auto_resize": False}
    return flux.inputs(**usual | changes)


def inpaint_inputs(**changes) -> dict:
    """Returns the arguments of painting the left half anew."""
    mask = Image.new("L", (WIDTH, HEIGHT))
    mask.paste(255, (0, 0, WIDTH // 2, HEIGHT))
    usual = {"image": picture(HEIGHT, WIDTH), "mask_image": mask}
    return flux.inputs(**usual | changes)


def image_inputs(**changes) -> dict:
    """Returns the arguments of starting from an image."""
    return flux.inputs(**{"image": picture(HEIGHT, WIDTH)} | changes)


def controlled_inputs(**changes) -> dict:
    """Returns the arguments of following a control image."""
    usual = {"control_image": picture(HEIGHT, WIDTH), "controlnet_conditioning_scale": 0.7}
    return flux.inputs(**usual | changes)


CASES = (
    Case("flux_kontext", kontext, kontext_inputs, each_step("transformer", steps=8), SHAPE),
    Case(
        "flux_kontext_true_cfg",
        kontext,
        partial(kontext_inputs, **TRUE_CFG),
        each_step("transformer", "transformer", steps=8),
        SHAPE,
    ),
    Case(
        "flux_img2img",
        partial(flux.pipeline, kind=FluxImg2ImgPipeline),
        partial(image_inputs, strength=0.6),
        each_step("transformer", steps=5),  # 8 - int(8 - 0.6 * 8)
        SHAPE,
    ),
    Case(
        "flux_inpaint",
        partial(flux.pipeline, kind=FluxInpaintPipeline),
        partial(inpaint_inputs, strength=0.85),
        each_step("transformer", steps=7),  # 8 - int(8 - 0.85 * 8)
        SHAPE,
    ),
    Case(
        "flux_controlnet",
        controlled,
        controlled_inputs,
        each_step("controlnet", "transformer", steps=8),
        SHAPE,
    ),
    Case(
        "flux_controlnet_true_cfg",
        controlled,
        partial(controlled_inputs, **TRUE_CFG),
        each_step("controlnet", "transformer", "transformer", steps=8),
        SHAPE,
    ),
)
