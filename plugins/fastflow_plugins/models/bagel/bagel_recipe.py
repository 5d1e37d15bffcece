"""BAGEL: text to image, and an image and an instruction to an edited image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastflow.sampling import FlowModel, Model, Prompt
from fastflow_plugins.models.bagel.guidance import RENORMALISATIONS
from fastflow_plugins.models.bagel.pictures import TOKEN
from fastflow_plugins.models.diffusers import (
    check_device,
    check_size,
    edit_prompts,
    folder_of_mini,
    scene_prompts,
)

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class Bagel(Model):
    """Draws and edits images with BAGEL-7B-MoT, from its official files.

    A step takes one network call; guidance takes one more for the text and one for the image. The
    model's own 50 grid points are 49 steps.

    Args:
        path: a hub id, a folder of BAGEL's files, or ``bagel_mini`` for the small model that comes
            with fastflow; its own prompts are edits if `image_scale` is above 1, else captions.
        height: of the image, in pixels; an edited image keeps its own shape.
        width: of the image, in pixels.
        text_scale: guidance away from the velocity without the text; 1 turns all guidance off.
        image_scale: guidance away from the velocity without the image to edit; 1 is off.
        interval: guidance acts at times t with ``low < t <= high``; 1 is noise.
        renormalisation: what guidance may not lengthen: the velocity of the sample (global), of
            each token (channel), or of each token before the image's scale acts (text_channel).
        renorm_min: the least factor of renormalisation, 0 to 1.
        shift: s in the time grid ``s t / (1 + (s - 1) t)``; above 1, more steps are near noise.
        image_sides: the shortest and the longest side of an image that is edited, in pixels.
        view_sides: likewise of the image that SigLIP reads.
        together: whether samples of a batch with equally long texts and images are computed in
            one call: faster for small images, but not bit for bit equal to single samples.
        revision: a branch, tag or commit of the hub repository.
    """

    mini: ClassVar[str] = "bagel_mini"
    takes_images: ClassVar[bool] = True

    path: str = "ByteDance-Seed/BAGEL-7B-MoT"
    height: int = 1024
    width: int = 1024
    text_scale: float = 4.0
    image_scale: float = 2.0
    interval: tuple[float, ...] = (0.4, 1.0)
    renormalisation: str = "global"
    renorm_min: float = 0.0
    shift: float = 3.0
    image_sides: tuple[int, ...] = (512, 1024)
    view_sides: tuple[int, ...] = (224, 980)
    together: bool = False
    revision: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "interval", tuple(float(t) for t in self.interval))
        if not self.path.strip():
            raise ValueError("`path` is empty. Give a hub id (owner/name) or a folder.")
        self._check_sizes()
        self._check_guidance()
        if not 0 < self.shift < math.inf:
            raise ValueError(f"`shift` must be above 0, got {self.shift}.")

    def _check_sizes(self) -> None:
        for name in ("height", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")
        check_size(self.height, self.width, TOKEN)
        for name in ("image_sides", "view_sides"):
            sides = tuple(getattr(self, name))
            object.__setattr__(self, name, sides)
            if len(sides) != 2 or not 1 <= sides[0] <= sides[1]:
                raise ValueError(
                    f"`{name}` must be the shortest and the longest side, got {list(sides)}."
                )

    def _check_guidance(self) -> None:
        for name in ("text_scale", "image_scale"):
            if not 1 <= getattr(self, name) < math.inf:
                raise ValueError(f"`{name}` must be 1 (off) or more, got {getattr(self, name)}.")
        if not _is_interval(self.interval):
            raise ValueError(
                f"`interval` must be two times, 0 <= low <= high <= 1, got {list(self.interval)}."
            )
        if self.renormalisation not in RENORMALISATIONS:
            raise ValueError(
                f"`renormalisation` must be one of {', '.join(RENORMALISATIONS)}, got "
                f"{self.renormalisation!r}."
            )
        if not 0 <= self.renorm_min <= 1:
            raise ValueError(f"`renorm_min` must be from 0 to 1, got {self.renorm_min}.")

    def load(self, device: str = "cpu", dtype: str = "float32") -> FlowModel:
        import torch

        from fastflow_plugins.models.bagel.bagel_flow import BagelFlow
        from fastflow_plugins.models.bagel.checkpoint import load_parts

        target = check_device(device)
        if dtype not in PRECISIONS:
            raise ValueError(f"`dtype` must be one of {', '.join(PRECISIONS)}, got {dtype!r}.")
        path = folder_of_mini(self.path) if self.is_mini else self.path
        parts = load_parts(path, target, getattr(torch, dtype), self.revision)
        return BagelFlow(parts, self)

    def prompts(self, count: int) -> list[Prompt]:
        if not self.is_mini:
            return []
        return edit_prompts(count) if self.image_scale > 1 else scene_prompts(count)

    @property
    def is_mini(self) -> bool:
        """Whether it is the small model that comes with fastflow."""
        return self.path == self.mini


def _is_interval(times: Sequence[float]) -> bool:
    return len(times) == 2 and 0 <= times[0] <= times[1] <= 1
