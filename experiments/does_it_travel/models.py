"""Two models that are trained for this question alone: scenes in pixels, and real digits.

They differ from the shipped minis, and from each other, in what a choice made on the minis could
depend on: no autoencoder; an even grid without guidance, or a shifted one with guidance whose two
branches share a batch; drawn pictures, or pictures of the world.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from network import Network, Sizes
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from fastflow.integration import Grid
from fastflow.sampling import FlowModel, Model, Problem, Prompt, Request
from fastflow_minis.worlds.scenes.scene_language import words_of_scenes
from fastflow_minis.worlds.scenes.scene_world import held_out_captions

WEIGHTS = Path(__file__).parent / "weights"
PAD, UNKNOWN, KNOWN = 0, 1, 2  # ids of words: filling, unknown words, the first known word
SHOWN = 64  # the side of a decoded picture in pixels
STROKES = ("thin", "medium", "bold")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, kw_only=True)
class Pictures(Model):
    """Loads a network of this folder; a subclass states its sizes, its words and its grid.

    Args:
        weights: the safetensors file that `train.py` writes; ``weights/NAME.safetensors`` in this
            folder if None.
    """

    name: ClassVar[str]
    words: ClassVar[tuple[str, ...]]
    sizes: ClassVar[Sizes]

    weights: str | None = None

    @property
    def path(self) -> Path:
        """The file of the weights."""
        return Path(self.weights) if self.weights else WEIGHTS / f"{self.name}.safetensors"

    def load(self, device: str = "cpu", dtype: str = "float32") -> FlowModel:
        """Loads the model.

        Raises:
            ValueError: if it has not been trained.
        """
        if not self.path.is_file():
            raise ValueError(
                f"`weights` {str(self.path)!r} is not there. Train the model: "
                f"python experiments/does_it_travel/train.py {self.name}"
            )
        network = Network(self.sizes)
        network.load_state_dict(load_file(self.path))
        return PicturesFlow(self, network.to(device, getattr(torch, dtype)).eval())

    @property
    def guidance(self) -> float:
        """The strength of classifier-free guidance; 1 is off."""
        return 1.0

    @abstractmethod
    def grid(self, steps: int) -> Grid:
        """Returns the time grid of so many steps, from noise (sigma = 1) to data (0)."""

    def tokens(self, caption: str) -> Tensor:
        """Returns the ids ``(length,)`` of a caption's words, cut or filled up."""
        known = {word: KNOWN + i for i, word in enumerate(self.words)}
        ids = [known.get(word, UNKNOWN) for word in caption.lower().split()]
        ids = [*ids, *[PAD] * self.sizes.length][: self.sizes.length]
        return torch.tensor(ids)


@dataclass(frozen=True, kw_only=True)
class PixelScenes(Pictures):
    """Draws the minis' scenes as 32 x 32 pixels, without autoencoder, guidance or shift."""

    name = "pixel_scenes"
    words = words_of_scenes()
    sizes = Sizes(3, 32, 4, vocabulary=KNOWN + len(words), length=14, width=112)

    def grid(self, steps: int) -> Grid:
        return Grid.even(steps)

    def prompts(self, count: int) -> list[Prompt]:
        """Returns captions whose combinations training never showed."""
        return [Prompt(one.text, one.task) for one in held_out_captions(count)]


@dataclass(frozen=True, kw_only=True)
class Digits(Pictures):
    """Draws handwritten digits of 8 x 8 grey pixels, guided, on a shifted grid.

    Args:
        guidance_scale: the strength of classifier-free guidance; 1 is off.
        shift: how much of the grid lies near the noise; 1 is even.
    """

    name = "digits"
    words = (*STROKES, *DIGITS)
    sizes = Sizes(1, 8, 2, vocabulary=KNOWN + len(words), length=2, width=96)

    guidance_scale: float = 2.0
    shift: float = 3.0

    def __post_init__(self):
        for name in ("guidance_scale", "shift"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0, got {getattr(self, name)}.")

    @property
    def guidance(self) -> float:
        return self.guidance_scale

    def grid(self, steps: int) -> Grid:
        t = torch.linspace(1, 0, steps + 1)
        return Grid(self.shift * t / (1 + (self.shift - 1) * t))

    def prompts(self, count: int) -> list[Prompt]:
        """Returns up to 30 captions, such as "bold seven"; neighbours differ in digit."""
        turns = ((i % 10, (i + i // 10) % 3) for i in range(30))
        return [Prompt(f"{STROKES[s]} {DIGITS[d]}", DIGITS[d]) for d, s in turns][:count]


class PicturesFlow(FlowModel):
    """Calls a network on pictures ``(B, C, H, W)`` from -1 to 1; sigma = 1 is noise."""

    def __init__(self, recipe: Pictures, network: Network):
        self.recipe, self.net = recipe, network
        self.calls_per_velocity = 1 if recipe.guidance == 1 else 2
        weights = hashlib.sha256(recipe.path.read_bytes()).hexdigest()[:12]
        self.key = f"{recipe.name} {weights}, guidance {recipe.guidance:g}"

    def grid(self, steps: int) -> Grid:
        grid, device = self.recipe.grid(steps), self.net.place.device
        return Grid(grid.sigmas.to(device))

    def prepare(self, request: Request) -> Problem:
        generator = torch.Generator().manual_seed(request.seed)
        noise = torch.randn(1, *self.recipe.sizes.shape, generator=generator)
        words = self.recipe.tokens(request.prompt)[None].to(self.net.place.device)
        return Problem(noise.to(self.net.place), self.grid(request.steps), words, request)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        words = torch.cat(list(conditioning))
        if self.calls_per_velocity == 1:
            return self.net(x, t, words)
        both = torch.cat([words, torch.full_like(words, PAD)])
        v, free = self.net(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
        return free + self.recipe.guidance * (v - free)

    def decode(self, x: Tensor, problem: Problem) -> Image.Image:
        pixels = ((x[0].float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        colours = pixels.expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
        return Image.fromarray(colours).resize((SHOWN, SHOWN), Image.Resampling.NEAREST)

    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        return self.net.first_input(x, t, torch.cat(list(conditioning)))


MODELS: dict[str, type[Pictures]] = {one.name: one for one in (PixelScenes, Digits)}
