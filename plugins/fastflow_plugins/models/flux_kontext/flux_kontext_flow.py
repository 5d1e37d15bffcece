"""A FluxKontextPipeline as a velocity field: FLUX's, with the tokens of a reference image."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from PIL import Image
from torch import Tensor

from fastflow.sampling import Request
from fastflow_plugins.models.flux import FluxCondition, FluxFlow, FluxText

if TYPE_CHECKING:
    from fastflow_plugins.models.flux_kontext.flux_kontext_recipe import FluxKontext


class KontextFlow(FluxFlow):
    """Computes a FluxKontextPipeline's velocity on packed latents ``(B, N, 4C)``.

    The reference image is encoded once, without noise, and its tokens follow the latents in every
    call (https://arxiv.org/abs/2506.15742). Rows of a batch may have reference images of different
    sizes, or none; each size takes a call of its own.

    Args:
        pipe: a loaded FluxKontextPipeline.
        recipe: how to use it; its path, revision and variant only name the model.

    Raises:
        ValueError: as in `PipelineFlow`; also for a request whose image is smaller than a patch.
    """

    pipeline: ClassVar[str] = "FluxKontextPipeline"
    family: ClassVar[str] = "flux_kontext"
    recipe: FluxKontext

    def _size(self) -> tuple[int, int]:
        """Returns the size scaled to `max_area` and down to whole patches, as in the pipeline."""
        recipe = self.recipe
        aspect_ratio = recipe.width / recipe.height
        width = round((recipe.max_area * aspect_ratio) ** 0.5) // self.patch * self.patch
        height = round((recipe.max_area / aspect_ratio) ** 0.5) // self.patch * self.patch
        if not (height and width):
            raise ValueError(
                f"`height` and `width` must leave {self.patch} pixels a side when scaled to "
                f"`max_area`, got {recipe.height} x {recipe.width} and {recipe.max_area}."
            )
        return height, width

    def _settings(self) -> list[str]:
        return super()._settings() + ["references resized"] * self.recipe.auto_resize

    def _start(
        self, request: Request, texts: tuple[FluxText, ...]
    ) -> tuple[Tensor, FluxCondition]:
        pixels = None if request.image is None else self._pixels(request.image)
        x, reference, image_ids, reference_ids = self.pipe.prepare_latents(
            pixels, *self._noise(request, texts)
        )
        if pixels is None:
            return x, FluxCondition(texts, image_ids)
        image_ids, (height, width) = torch.cat([image_ids, reference_ids]), pixels.shape[-2:]
        return x, FluxCondition(texts, image_ids, reference, (height, width))

    def _pixels(self, image: Image.Image) -> Tensor:
        """Returns a reference image ``(1, 3, H, W)``, -1 to 1, resized as in the pipeline."""
        from diffusers.pipelines.flux import pipeline_flux_kontext

        processor = self.pipe.image_processor
        height, width = processor.get_default_height_width(image)
        if not (height and width):
            raise ValueError(
                f"`image` must have at least {self.patch} pixels a side, got {image.height} x "
                f"{image.width}."
            )
        if self.recipe.auto_resize:
            sizes = pipeline_flux_kontext.PREFERRED_KONTEXT_RESOLUTIONS
            _, width, height = min((abs(width / height - w / h), w, h) for w, h in sizes)
        height, width = (side // self.patch * self.patch for side in (height, width))
        image = processor.resize(image.convert("RGB"), height, width)
        return processor.preprocess(image, height, width)
