"""A BAGEL in training: one network learns to draw scenes and to edit them."""

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

from fastflow_minis.models.bagel.bagel_components import (
    VIEW_PATCH,
    VIEW_SIDE,
    bagel_autoencoder,
    bagel_network,
    bagel_tokenizer,
    scale_latents,
)
from fastflow_minis.models.bagel.bagel_files import write_bagel
from fastflow_minis.models.bagel.bagel_recipe import BagelRecipe
from fastflow_minis.models.bagel.extension import (
    LevelFeatures,
    adopt_outer_levels,
    train_inner_levels,
)
from fastflow_minis.models.flux.flux_mini import scene_example, task_weight
from fastflow_minis.models.kontext.kontext_mini import edit_example, words_of_scenes_and_edits
from fastflow_minis.training.dataset import EncodedDataset, draw_images
from fastflow_minis.training.flow_matching import noised
from fastflow_minis.training.image_autoencoder import (
    encode_images,
    image_latents,
    train_image_autoencoder,
)
from fastflow_minis.training.mini import Mini
from fastflow_minis.training.progress import TrainingProgress
from fastflow_minis.zoo import find_folder
from fastflow_plugins.models.bagel.network import Context, Network, on_grid
from fastflow_plugins.models.bagel.pictures import patches

_CELL = 2  # latents on a token's side
_DRAWN = 4_000  # images for the autoencoder; features are large


def build_bagel(recipe: BagelRecipe, run: Path, device: str) -> BagelMini:
    """Combines an untrained network with the run's autoencoder."""
    vae = _autoencoder(recipe, run, device)
    tokenizer = bagel_tokenizer(words_of_scenes_and_edits())
    return BagelMini(bagel_network(recipe, tokenizer).to(device), vae, tokenizer, recipe)


def _autoencoder(recipe: BagelRecipe, run: Path, device: str) -> AutoencoderKL:
    """Returns the run's autoencoder, after training it if there is none yet."""
    folder = run / "vae"
    if not folder.exists():
        torch.manual_seed(recipe.seed)
        vae = bagel_autoencoder(recipe).to(device)
        start = AutoencoderKL.from_pretrained(find_folder(recipe.start, "start") / "vae")
        adopt_outer_levels(vae, start)
        drawn = draw_images(scene_example, min(_DRAWN, recipe.examples), recipe.seed)
        features = LevelFeatures.of(start, drawn)
        with TrainingProgress("autoencoder, inside", recipe.inner_steps, run) as progress:
            train_inner_levels(vae, features, recipe, progress)
        with TrainingProgress("autoencoder", recipe.vae_steps, run) as progress:
            train_image_autoencoder(vae, drawn, recipe, progress)
        raw = encode_images(vae, drawn)
        scale_latents(vae, raw.std().item())
        vae.save_pretrained(folder)
    return AutoencoderKL.from_pretrained(folder).to(device)


class BagelMini(Mini):
    """Trains a BAGEL on the worlds of scenes and of edits.

    Args:
        network: The network, on its device.
        vae: The trained autoencoder.
        tokenizer: The tokenizer.
        recipe: The hyperparameters.
    """

    def __init__(
        self, network: Network, vae: AutoencoderKL, tokenizer: Qwen2Tokenizer, recipe: BagelRecipe
    ):
        self.network, self.vae, self.tokenizer, self.recipe = network, vae, tokenizer, recipe
        self.learners = nn.ModuleDict({"network": network})

    def objective(self, run: Path) -> BagelLoss:
        recipe, encode = self.recipe, partial(image_latents, self.vae)
        datasets = []
        for name, world, view in (
            ("scenes", scene_example, None),
            ("edits", edit_example, siglip_views),
        ):
            (run / name).mkdir(exist_ok=True)
            dataset = EncodedDataset.of(
                run / name, encode, world, recipe.examples, recipe.seed, view
            )
            datasets.append(CaptionBuckets.of(dataset, self.tokenizer, recipe.relational))
        return BagelLoss(self.network, recipe, *datasets)

    def save(self, folder: Path) -> None:
        """Writes BAGEL's official files, weights in half precision."""
        write_bagel(folder, self.network, self.vae, words_of_scenes_and_edits(), self.recipe)


def siglip_views(sources: np.ndarray) -> Tensor:
    """Returns the patches (N, 16, 588), 8 bits, that SigLIP sees of images (N, 64, 64, 3)."""
    side = (VIEW_SIDE, VIEW_SIDE)
    small = [Image.fromarray(s).resize(side, Image.Resampling.BICUBIC) for s in sources]
    seen = (torch.from_numpy(np.array(one)).permute(2, 0, 1) for one in small)
    return torch.stack([patches(one, VIEW_PATCH) for one in seen])


class BagelBatch(NamedTuple):
    """Holds a batch of examples, on the CPU.

    Attributes:
        data: Latent tokens (B, 16, 64).
        words: Token ids of their captions (B, L), all equally long.
        sources: Latent tokens of their source images; None where there are none.
        views: SigLIP's patches of the source images, 8 bits; likewise.
    """

    data: Tensor
    words: Tensor
    sources: Tensor | None
    views: Tensor | None


class CaptionBuckets:
    """Groups examples by the length of their captions, so that a batch needs no padding.

    Args:
        dataset: The examples.
        captions: The token ids of each caption.
        weights: Relative frequency of each example.
    """

    def __init__(self, dataset: EncodedDataset, captions: list[list[int]], weights: Tensor):
        self.data = _tokens(dataset.latents)
        self.sources = None if dataset.sources is None else _tokens(dataset.sources)
        self.views = dataset.views
        self.captions, self.weights = captions, weights
        lengths = torch.tensor([len(words) for words in captions])
        self.members = [torch.nonzero(lengths == n)[:, 0] for n in lengths.unique()]
        self.shares = torch.stack([weights[members].sum() for members in self.members])

    @classmethod
    def of(
        cls, dataset: EncodedDataset, tokenizer: Qwen2Tokenizer, relational: float
    ) -> CaptionBuckets:
        """Tokenizes the captions of a dataset."""
        weights = torch.tensor([task_weight(task, relational) for task in dataset.tasks])
        return cls(dataset, [tokenizer.encode(text) for text in dataset.captions], weights)

    def draw(self, count: int, generator: torch.Generator) -> BagelBatch:
        """Draws examples whose captions are equally long."""
        group = int(torch.multinomial(self.shares, 1, generator=generator))
        members = self.members[group]
        drawn = torch.multinomial(self.weights[members], count, True, generator=generator)
        chosen = members[drawn]
        return BagelBatch(
            self.data[chosen],
            torch.tensor([self.captions[i] for i in chosen]),
            None if self.sources is None else self.sources[chosen],
            None if self.views is None else self.views[chosen],
        )


def _tokens(latents: Tensor) -> Tensor:
    """Cuts latents (N, 16, 8, 8) into BAGEL's tokens (N, 16, 64)."""
    return torch.stack([patches(one, _CELL) for one in latents])


class BagelLoss:
    """Computes the loss on scenes and edits: the mean squared velocity error of a batch of both.

    Args:
        network: The network.
        recipe: The hyperparameters.
        scenes: Examples of scenes.
        edits: Examples of edits.
    """

    def __init__(
        self, network: Network, recipe: BagelRecipe, scenes: CaptionBuckets, edits: CaptionBuckets
    ):
        self.network, self.recipe, self.scenes, self.edits = network, recipe, scenes, edits

    def __call__(self, generator: torch.Generator) -> Tensor:
        edits = round(self.recipe.edits * self.recipe.batch)
        parts = (self.scenes, self.recipe.batch - edits), (self.edits, edits)
        losses = [n * self._loss(dataset.draw(n, generator), generator) for dataset, n in parts]
        return torch.stack(losses).sum() / self.recipe.batch

    def _loss(self, batch: BagelBatch, generator: torch.Generator) -> Tensor:
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
        found = bagel_velocities(self.network, x, sigma, words, sources, views)
        return (found - v).square().mean()


def bagel_velocities(
    network: Network,
    x: Tensor,
    t: Tensor,
    words: Tensor | None,
    sources: Tensor | None,
    views: Tensor | None,
) -> Tensor:
    """Calls the network as `BagelFlow` does, on many samples at once.

    Args:
        network: The network, written for one sample; `torch.vmap` batches it.
        x: Noisy latent tokens (B, N, 64).
        t: Times (B,), 1 is noise.
        words: Token ids of the texts (B, L); None reads no text.
        sources: Latent tokens of the source images (B, N, 64); None reads none.
        views: SigLIP's patches of them (B, 16, 588), from -1 to 1.

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
    with sdpa_kernel(SDPBackend.MATH):  # the other kernels do not work under vmap
        return torch.vmap(one, tuple(None if g is None else 0 for g in given))(*given)


def _places(count: int, side: int) -> Tensor:
    """Returns the positions of a square of `count` tokens."""
    own = round(count**0.5)
    return on_grid(own, own, side)
