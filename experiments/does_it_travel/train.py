"""Trains the two models of this folder, each in at most six minutes on one core of a CPU.

Run with `python experiments/does_it_travel/train.py`, once, after the choices are frozen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models import DIGITS, MODELS, STROKES, WEIGHTS, Digits, Pictures, PixelScenes
from network import Network
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm, trange

from fastflow_minis.training.flow_matching import FlowMatching, draw_batch, noised
from fastflow_minis.training.mini import Mini, Objective
from fastflow_minis.training.recipe import Recipe
from fastflow_minis.worlds.drawing import render_scene
from fastflow_minis.worlds.scenes.scene_world import training_scene


@dataclass(frozen=True)
class Training(Recipe):
    """Holds the hyperparameters of a model of this folder.

    Attributes:
        model: The name of the model.
        examples: How many scenes are drawn; the digits are as many as there are.
    """

    name = "does_it_travel"

    model: str = "pixel_scenes"
    examples: int = 20_000

    def build(self, run: Path, device: str = "cpu") -> Mini:
        torch.manual_seed(self.seed)
        return PicturesMini(self)


TRAININGS = {
    "pixel_scenes": Training(model="pixel_scenes", steps=3_000, batch=16),
    "digits": Training(model="digits", steps=3_000, muon_rate=0.01),
}
"""Recipes that take about six minutes of one core of a CPU or less."""


class PicturesMini(Mini):
    """A network of this folder in training.

    Args:
        recipe: The hyperparameters.
    """

    def __init__(self, recipe: Training):
        self.recipe, self.model = recipe, MODELS[recipe.model]()
        self.network = Network(self.model.sizes)
        self.learners = nn.ModuleDict({"network": self.network})

    def objective(self, run: Path) -> Objective:
        pictures, captions = EXAMPLES[self.recipe.model](self.recipe)
        words = torch.stack([self.model.tokens(text) for text in [*captions, ""]])
        weights = torch.ones(len(captions))

        def loss(generator: torch.Generator) -> Tensor:
            chosen, asked = draw_batch(weights, self.recipe, generator)
            x, sigma, v = noised(pictures[chosen], self.recipe, generator)
            return (self.network(x, sigma, words[asked]) - v).square().mean()

        return loss

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.half() for name, value in self.network.state_dict().items()}
        notes = {"training": json.dumps(asdict(self.recipe))}
        save_file(state, folder / f"{self.recipe.model}.safetensors", notes)


def scenes(recipe: Training) -> tuple[Tensor, list[str]]:
    """Draws scenes ``(N, 3, 32, 32)`` from -1 to 1, with their captions."""
    rng = np.random.default_rng(recipe.seed)
    pictures, captions = [], []
    for _ in trange(recipe.examples, desc="scenes", mininterval=5):
        scene, caption = training_scene(rng)
        fine = torch.from_numpy(render_scene(scene)).permute(2, 0, 1)[None].float()
        pictures.append(nn.functional.avg_pool2d(fine, 2) / 127.5 - 1)
        captions.append(caption)
    return torch.cat(pictures), captions


def digits(recipe: Training) -> tuple[Tensor, list[str]]:
    """Reads the digits ``(1797, 1, 8, 8)`` from -1 to 1, with captions such as "bold seven".

    A stroke is thin, medium or bold by its amount of ink among the pictures of the same digit.

    Raises:
        ValueError: if scikit-learn, which ships them, is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ValueError(
            "the digits come with scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    found: Any = load_digits()
    pictures, labels = torch.from_numpy(found.images).float(), found.target
    ink = found.images.sum(axis=(1, 2))
    ranks = np.empty(len(labels))
    for label in range(len(DIGITS)):
        own = np.flatnonzero(labels == label)
        ranks[own[np.argsort(ink[own], kind="stable")]] = np.arange(len(own)) / len(own)
    strokes = (ranks * len(STROKES)).astype(int)
    captions = [f"{STROKES[s]} {DIGITS[d]}" for s, d in zip(strokes, labels, strict=True)]
    return pictures[:, None] / 8 - 1, captions


EXAMPLES: dict[str, Callable[[Training], tuple[Tensor, list[str]]]] = {
    PixelScenes.name: scenes,
    Digits.name: digits,
}


def train(recipe: Training, folder: Path) -> Pictures:
    """Trains a model from scratch, writes its averaged weights, and returns it."""
    mini = recipe.build(folder)
    matching = FlowMatching(mini.learners, mini.objective(folder), recipe)
    mean = 0.0
    with tqdm(total=recipe.steps, desc=recipe.model, unit="step", mininterval=2) as bar:
        while matching.step < recipe.steps:
            loss = matching.advance()
            mean = loss if matching.step == 1 else 0.98 * mean + 0.02 * loss
            bar.set_postfix_str(f"loss {mean:.4f}", refresh=False)
            bar.update()
    mini.learners.load_state_dict(matching.average, strict=False)
    mini.save(folder)
    return MODELS[recipe.model](weights=str(folder / f"{recipe.model}.safetensors"))


def main() -> None:
    """Trains the models that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(TRAININGS), help="all if none is named")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int, help="of the optimiser, for a quick try")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in chosen.models:
        recipe = TRAININGS[name]
        if chosen.steps is not None:
            recipe = replace(recipe, steps=chosen.steps)
        print(train(recipe, chosen.out).path)


if __name__ == "__main__":
    main()
