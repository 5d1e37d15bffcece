"""BAGEL as a velocity field, guidance included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from fastflow.integration import Grid
from fastflow.sampling import FlowModel, Problem, Request
from fastflow_plugins.models.bagel.checkpoint import Parts, decode_latents, encode_latents
from fastflow_plugins.models.bagel.guidance import Guidance
from fastflow_plugins.models.bagel.network import (
    LATENT,
    Context,
    on_grid,
    shape,
    velocities_at_once,
)
from fastflow_plugins.models.bagel.pictures import (
    TOKEN,
    Sides,
    opaque,
    patches,
    picture,
    pixel_values,
    whole,
)

if TYPE_CHECKING:
    from fastflow_plugins.models.bagel.bagel_recipe import Bagel

CELL = 2  # the autoencoder's latents on a token's side


@dataclass(frozen=True)
class BagelCondition:
    """Holds the context of each guidance branch; equal parts of them are shared.

    Args:
        full: image and text.
        no_text: the image alone, or nothing.
        no_image: the text alone; None if it equals `full` or is not needed.
        places: ``(N,)`` positions of the latent tokens in the network's table.
        size: the height and width of the result in pixels.
    """

    full: Context
    no_text: Context
    no_image: Context | None
    places: Tensor
    size: tuple[int, int]

    def shape(self) -> tuple:
        """Returns what samples must have in common to be computed in one call."""
        branches = self.full, self.no_text, self.no_image
        return self.size, *(branch and shape(branch) for branch in branches)


class BagelFlow(FlowModel):
    """Computes BAGEL's velocity on latent tokens ``(B, N, 64)``, N = H/16 x W/16; 1 is noise.

    Rows are computed one by one, because their contexts differ in length and a single sample of
    1024 x 1024 keeps a GPU busy; so a batch equals its single samples bit for bit. With the
    recipe's `together`, rows of equal lengths are computed in one call, which is faster for small
    images but rounds differently. Latents stay in float32.

    Args:
        parts: a loaded BAGEL.
        recipe: how to use it; its path and revision only name the model.

    Raises:
        ValueError: if a size does not fit the network's tables of places.
    """

    def __init__(self, parts: Parts, recipe: Bagel):
        self.parts, self.recipe = parts, recipe
        self.guidance = Guidance(
            recipe.text_scale,
            recipe.image_scale,
            (recipe.interval[0], recipe.interval[1]),
            recipe.renormalisation,
            recipe.renorm_min,
        )
        network = parts.network
        self.image_sides = Sides.between(recipe.image_sides, TOKEN)
        self.view_sides = Sides.between(recipe.view_sides, network.vision.patch)
        _check_places("height", [recipe.height], TOKEN, network.latent_pos_embed.side)
        _check_places("width", [recipe.width], TOKEN, network.latent_pos_embed.side)
        _check_places("image_sides", recipe.image_sides, TOKEN, network.latent_pos_embed.side)
        _check_places("view_sides", recipe.view_sides, network.vision.patch, network.vision.side)
        self.calls_per_velocity = 1 + self.guidance.takes_text + self.guidance.takes_images
        self.key = f"bagel({', '.join(self._settings())})"
        self._grids: dict[int, Grid] = {}

    def _settings(self) -> list[str]:
        """Returns the settings that change the velocity; a memory fits only the same settings."""
        recipe = self.recipe
        parts = [recipe.path, f"{recipe.height}x{recipe.width}"]
        if recipe.revision:
            parts.append(f"revision {recipe.revision}")
        if self.guidance.takes_text:
            low, high = recipe.interval
            parts += [
                f"text {recipe.text_scale}",
                f"image {recipe.image_scale}",
                f"from {low} to {high}",
                f"{recipe.renormalisation} from {recipe.renorm_min}",
            ]
        sides = *recipe.image_sides, *recipe.view_sides
        return [*parts, "sides " + " ".join(map(str, sides))]

    def grid(self, steps: int) -> Grid:
        if steps not in self._grids:
            t = torch.linspace(1, 0, steps + 1, device=self.parts.network.device)
            shift = self.recipe.shift
            t = (shift * t / (1 + (shift - 1) * t)).cpu()  # reading it must not wait for a GPU
            acts = self.guidance.acts_at(t[:-1])
            jumps = frozenset(k for k in range(1, steps) if acts[k] != acts[k - 1])
            self._grids[steps] = Grid(t, jumps=jumps)
        return self._grids[steps]

    @torch.no_grad()
    def prepare(self, request: Request) -> Problem:
        generator = torch.Generator("cpu").manual_seed(request.seed)
        with self._precision():
            condition = self._read(request, generator)
        x = torch.randn(1, len(condition.places), LATENT, generator=generator)
        grid = self.grid(request.steps)
        extra = 1 if condition.no_image is None else 2
        acts = self.guidance.acts_at(grid.model_times)
        calls = tuple(1 + extra * guided for guided in acts)
        return Problem(x.to(self.parts.network.device), grid, condition, request, calls)

    def _read(self, request: Request, generator: torch.Generator) -> BagelCondition:
        """Reads the request's image and text, once for each branch that needs them."""
        network, no_text, no_image = self.parts.network, Context(), None
        size = self.recipe.height, self.recipe.width
        words = self.parts.tokenizer.encode(request.prompt)
        if request.image is not None:
            image = self.image_sides.resize(opaque(request.image))
            size = image.height, image.width
            no_text = self._read_image(image, generator)
            if self.guidance.takes_images:
                no_image = network.read_text(Context(), words)
        full = network.read_text(no_text, words)
        return BagelCondition(full, no_text, no_image, self._places(*size), size)

    def _read_image(self, image: Image.Image, generator: torch.Generator) -> Context:
        """Reads an image twice: its latents, then SigLIP's features of it."""
        network = self.parts.network
        values = pixel_values(image).to(network.device)
        z = encode_latents(self.parts.autoencoder, values, generator)
        context = network.read_latents(
            Context(), patches(z, CELL), self._places(image.height, image.width)
        )
        view = self.view_sides.resize(image)
        patch, side = network.vision.patch, network.vision.side
        places = on_grid(view.height // patch, view.width // patch, side).to(network.device)
        seen = patches(pixel_values(view).to(network.device), patch)
        return network.read_view(context, seen, places)

    def _places(self, height: int, width: int) -> Tensor:
        network = self.parts.network
        side = network.latent_pos_embed.side
        return on_grid(height // TOKEN, width // TOKEN, side).to(network.device)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[BagelCondition]) -> Tensor:
        acts, t = self.guidance.acts_at(t), t.to(x.device)
        found: dict[int, Tensor] = {}
        with self._precision():
            for rows in self._groups(conditioning, acts):
                conditions = [conditioning[row] for row in rows]
                # indexing by a list would copy the list to the device and wait for it
                own_x = torch.stack([x[row] for row in rows])
                own_t = torch.stack([t[row] for row in rows])
                v = self._velocities(own_x, own_t, conditions, acts[rows[0]])
                found.update(zip(rows, v, strict=True))
        return torch.stack([found[row] for row in range(len(x))])

    def _groups(
        self, conditioning: Sequence[BagelCondition], acts: Sequence[bool]
    ) -> list[list[int]]:
        """Returns the rows that are computed in one call."""
        if not self.recipe.together:
            return [[row] for row in range(len(conditioning))]
        groups: dict[Any, list[int]] = {}
        for row, (condition, guided) in enumerate(zip(conditioning, acts, strict=True)):
            groups.setdefault((condition.shape(), guided), []).append(row)
        return list(groups.values())

    def _velocities(
        self, x: Tensor, t: Tensor, conditions: list[BagelCondition], guided: bool
    ) -> Tensor:
        """Returns the velocities ``(B, N, 64)`` of samples that have one shape."""
        full = self._branch([c.full for c in conditions], x, t, conditions[0].places)
        if not guided:
            return full
        no_text = self._branch([c.no_text for c in conditions], x, t, conditions[0].places)
        no_image: Iterable[Tensor | None] = [None] * len(full)
        if self.guidance.takes_images:
            contexts = [c.no_image for c in conditions if c.no_image is not None]
            no_image = self._branch(contexts, x, t, conditions[0].places) if contexts else full
        parts = zip(full, no_text, no_image, strict=True)
        return torch.stack([self.guidance.combine(*one) for one in parts])

    def _branch(self, contexts: list[Context], x: Tensor, t: Tensor, places: Tensor) -> Tensor:
        network = self.parts.network
        if len(contexts) == 1:
            return network.velocity(contexts[0], x[0], t, places)[None]
        return velocities_at_once(network, contexts, x, t, places)

    def advance(self, x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
        return x + v * dsigma

    @torch.no_grad()
    def decode(self, x: Tensor, problem: Problem) -> Image.Image:
        height, width = (side // TOKEN * CELL for side in problem.conditioning.size)
        with self._precision():
            values = decode_latents(self.parts.autoencoder, whole(x[0], height, width, CELL))
        return picture(values)

    def _precision(self) -> torch.autocast:
        """Returns a context that computes in the weights' precision, as BAGEL's own code does."""
        network = self.parts.network
        dtype = network.transformer.embed_tokens.weight.dtype
        half = dtype is not torch.float32
        return torch.autocast(network.device.type, dtype if half else None, enabled=half)


def _check_places(name: str, sides: Sequence[int], patch: int, most: int) -> None:
    """Raises a ValueError unless sides are whole patches, at most as many as the table has."""
    if any(side % patch or side > patch * most for side in sides):
        raise ValueError(
            f"`{name}` must be made of multiples of {patch} up to {patch * most}, got "
            f"{', '.join(map(str, sides))}."
        )
