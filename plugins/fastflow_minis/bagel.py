"""A BAGEL under training: one network learns to draw scenes and to edit them."""

# diffusers and transformers annotate these calls wrongly:
# pyright: reportArgumentType=false

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import Qwen2Tokenizer

from fastflow_minis import autoencoder, bagel_layout, bagel_parts, deeper
from fastflow_minis.bank import Bank, images
from fastflow_minis.flux import scene, weight
from fastflow_minis.folders import find_folder
from fastflow_minis.kontext import edit, words
from fastflow_minis.matching import noised
from fastflow_minis.mini import Mini
from fastflow_minis.progress import Progress
from fastflow_minis.recipes import BagelRecipe
from fastflow_plugins.models.bagel.network import Context, Network, on_grid
from fastflow_plugins.models.bagel.pictures import patches

_CELL = 2  # latents on a token's side
_DRAWN = 4_000  # images for the autoencoder; features are large


def build(recipe: BagelRecipe, run: Path, device: str) -> BagelMini:
    """Puts an untrained network beside the run's autoencoder."""
    vae = _autoencoder(recipe, run, device)
    tokenizer = bagel_parts.tokenizer(words())
    return BagelMini(bagel_parts.network(recipe, tokenizer).to(device), vae, tokenizer, recipe)


def _autoencoder(recipe: BagelRecipe, run: Path, device: str) -> AutoencoderKL:
    """Returns the run's autoencoder, trained at first."""
    folder = run / "vae"
    if not folder.exists():
        torch.manual_seed(recipe.seed)
        vae = bagel_parts.autoencoder(recipe).to(device)
        start = AutoencoderKL.from_pretrained(find_folder(recipe.start, "start") / "vae")
        deeper.adopt(vae, start)
        drawn = images(scene, min(_DRAWN, recipe.bank), recipe.seed)
        features = deeper.Features.of(start, drawn)
        with Progress("autoencoder, inside", recipe.inner_steps, run) as progress:
            deeper.train_inside(vae, features, recipe, progress)
        with Progress("autoencoder", recipe.vae_steps, run) as progress:
            autoencoder.train(vae, drawn, recipe, progress)
        raw = autoencoder.encode(vae, drawn)
        bagel_parts.stretch(vae, raw.std().item())
        vae.save_pretrained(folder)
    return AutoencoderKL.from_pretrained(folder).to(device)


class BagelMini(Mini):
    """A BAGEL that learns the worlds of scenes and of edits.

    Args:
        network: The network, on its device.
        vae: The trained autoencoder.
        tokenizer: Knows the words.
        recipe: The hyperparameters.
    """

    def __init__(
        self, network: Network, vae: AutoencoderKL, tokenizer: Qwen2Tokenizer, recipe: BagelRecipe
    ):
        self.network, self.vae, self.tokenizer, self.recipe = network, vae, tokenizer, recipe
        self.learners = nn.ModuleDict({"network": network})

    def objective(self, run: Path) -> Both:
        recipe, encode = self.recipe, partial(autoencoder.latents, self.vae)
        banks = []
        for name, world, look in (("scenes", scene, None), ("edits", edit, views)):
            (run / name).mkdir(exist_ok=True)
            bank = Bank.of(run / name, encode, world, recipe.bank, recipe.seed, look)
            banks.append(Asked.of(bank, self.tokenizer, recipe.relational))
        return Both(self.network, recipe, *banks)

    def save(self, folder: Path) -> None:
        """Writes BAGEL's official files, weights in half precision."""
        bagel_layout.write(folder, self.network, self.vae, words(), self.recipe)


def views(sources: np.ndarray) -> Tensor:
    """Returns the patches (N, 16, 588), 8 bits, that SigLIP sees of images (N, 64, 64, 3)."""
    side = (bagel_parts.VIEW, bagel_parts.VIEW)
    small = [Image.fromarray(s).resize(side, Image.Resampling.BICUBIC) for s in sources]
    seen = (torch.from_numpy(np.array(one)).permute(2, 0, 1) for one in small)
    return torch.stack([patches(one, bagel_parts.PATCH) for one in seen])


class Batch(NamedTuple):
    """What some examples are learned from, on the CPU.

    Attributes:
        data: Latent tokens (B, 16, 64).
        words: The numbers of their captions' words (B, L), all equally many.
        sources: Latent tokens of their source images; None where there are none.
        views: What SigLIP sees of them, 8 bits; likewise.
    """

    data: Tensor
    words: Tensor
    sources: Tensor | None
    views: Tensor | None


class Asked:
    """Examples by the number of their captions' words, so that a batch needs no padding.

    Args:
        bank: The examples.
        captions: The numbers of each one's words.
        weights: How many times more often than others each is drawn.
    """

    def __init__(self, bank: Bank, captions: list[list[int]], weights: Tensor):
        self.data = _tokens(bank.latents)
        self.sources = None if bank.sources is None else _tokens(bank.sources)
        self.views = bank.views
        self.captions, self.weights = captions, weights
        lengths = torch.tensor([len(words) for words in captions])
        self.members = [torch.nonzero(lengths == n)[:, 0] for n in lengths.unique()]
        self.shares = torch.stack([weights[members].sum() for members in self.members])

    @classmethod
    def of(cls, bank: Bank, tokenizer: Qwen2Tokenizer, relational: float) -> Asked:
        """Reads a bank's captions."""
        weights = torch.tensor([weight(task, relational) for task in bank.tasks])
        return cls(bank, [tokenizer.encode(text) for text in bank.captions], weights)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Draws examples whose captions have equally many words."""
        group = int(torch.multinomial(self.shares, 1, generator=generator))
        members = self.members[group]
        drawn = torch.multinomial(self.weights[members], count, True, generator=generator)
        chosen = members[drawn]
        return Batch(
            self.data[chosen],
            torch.tensor([self.captions[i] for i in chosen]),
            None if self.sources is None else self.sources[chosen],
            None if self.views is None else self.views[chosen],
        )


def _tokens(latents: Tensor) -> Tensor:
    """Cuts latents (N, 16, 8, 8) into BAGEL's tokens (N, 16, 64)."""
    return torch.stack([patches(one, _CELL) for one in latents])


class Both:
    """The loss on scenes and on edits: the mean squared velocity error of a batch of both.

    Args:
        network: The network.
        recipe: The hyperparameters.
        scenes: Examples of scenes.
        edits: Examples of edits.
    """

    def __init__(self, network: Network, recipe: BagelRecipe, scenes: Asked, edits: Asked):
        self.network, self.recipe, self.scenes, self.edits = network, recipe, scenes, edits

    def __call__(self, generator: torch.Generator) -> Tensor:
        edits = round(self.recipe.edits * self.recipe.batch)
        parts = (self.scenes, self.recipe.batch - edits), (self.edits, edits)
        losses = [n * self._loss(bank.draw(n, generator), generator) for bank, n in parts]
        return torch.stack(losses).sum() / self.recipe.batch

    def _loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        device, recipe = self.network.device, self.recipe
        no_text, no_source = torch.rand(2, generator=generator).tolist()
        words = None if no_text < recipe.dropout else batch.words.to(device)
        sources = views = None
        # an edit that has lost its text keeps its source, as the branches of guidance do
        if batch.sources is not None and (words is None or no_source >= recipe.no_source):
            sources, views = batch.sources.to(device), batch.views
        if views is not None:
            views = views.to(device).float() / 127.5 - 1
        x, sigma, v = noised(batch.data.to(device), recipe, generator)
        found = velocities(self.network, x, sigma, words, sources, views)
        return (found - v).square().mean()


def velocities(
    network: Network,
    x: Tensor,
    t: Tensor,
    words: Tensor | None,
    sources: Tensor | None,
    views: Tensor | None,
) -> Tensor:
    """Calls the network as `BagelFlow` does, on many samples at once.

    Args:
        network: It reads and draws one sample; `torch.vmap` makes that a batch.
        x: Noisy latent tokens (B, N, 64).
        t: Times (B,), 1 is noise.
        words: The numbers of the texts' words (B, L); None reads no text.
        sources: Latent tokens of the source images (B, N, 64); None reads none.
        views: What SigLIP sees of them (B, 16, 588), from -1 to 1.

    Returns:
        The velocities (B, N, 64).
    """
    places = _places(x.shape[1], network.latent_pos_embed.side).to(x.device)
    seen = None if views is None else _places(views.shape[1], network.vision.side).to(x.device)

    def one(x: Tensor, t: Tensor, words: Tensor, sources: Tensor, views: Tensor) -> Tensor:
        context = Context()
        if sources is not None:
            context = network.read_latents(context, sources, places)
            context = network.read_view(context, views, seen)
        if words is not None:
            context = network.read_text(context, words)
        return network.velocity(context, x, t, places)

    given = (x, t[:, None], words, sources, views)
    with sdpa_kernel(SDPBackend.MATH):  # the others are not vectorised
        return torch.vmap(one, tuple(None if g is None else 0 for g in given))(*given)


def _places(count: int, side: int) -> Tensor:
    """Returns the places of a square of so many tokens."""
    own = round(count**0.5)
    return on_grid(own, own, side)
