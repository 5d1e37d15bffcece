"""Trains a mini model from nothing: autoencoder, bank of latents, flow matching, export."""

# diffusers and transformers annotate these calls wrongly:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from tqdm import tqdm

from fastflow_minis import autoencoder, bank, components
from fastflow_minis.flow import Matching
from fastflow_minis.folders import CHECKPOINT, RECIPE, export
from fastflow_minis.recipe import MINIS, Recipe

_LOG_EVERY = 20


def train(name: str, out: Path, device: str = "cpu", resume: bool = False, **overrides) -> Path:
    """Trains a mini model.

    Args:
        name: A key of `MINIS`.
        out: The run's folder: recipe, autoencoder, bank, checkpoint, losses (JSON lines) and, at
            the end, the pipeline.
        device: Where to train, such as "cpu" or "cuda".
        resume: Whether to continue what `out` holds, by the recipe that lies there.
        **overrides: Fields of `Recipe` to change, such as ``steps=20``.

    Returns:
        The folder of the trained pipeline, ``out/pipeline``.

    Raises:
        ValueError: The name or a field is unknown, or `out` holds a run and `resume` is off.
    """
    out = Path(out)
    recipe = _recipe(name, out, resume, overrides)
    try:
        _train(recipe, out, device)
    except KeyboardInterrupt:
        raise SystemExit(
            f"Interrupted; {out} keeps the last checkpoint. Continue with "
            f"train({name!r}, {str(out)!r}, resume=True)."
        ) from None
    return export(out, out / "pipeline")


def _train(recipe: Recipe, out: Path, device: str) -> None:
    vae = _autoencoder(recipe, out, device)
    latents = _bank(vae, recipe, out)
    pipe = components.pipeline(recipe, vae)
    for part in (pipe.transformer, pipe.text_encoder, pipe.text_encoder_2):
        part.to(device)
    matching = Matching(pipe, latents, recipe)
    if (out / CHECKPOINT).exists():
        matching.load_state_dict(torch.load(out / CHECKPOINT, map_location=device))
    _match(matching, recipe, out)


def _recipe(name: str, out: Path, resume: bool, overrides: dict) -> Recipe:
    """Checks the arguments of `train` and notes the recipe in the run's folder."""
    if name not in MINIS:
        raise ValueError(f"`name` must be one of {', '.join(MINIS)}, got {name!r}.")
    fields = {field.name for field in dataclasses.fields(Recipe)}
    unknown = sorted(set(overrides) - fields)
    if unknown:
        raise ValueError(
            f"`overrides` must be fields of Recipe, got {', '.join(unknown)}: "
            f"choose from {', '.join(sorted(fields))}."
        )
    path = out / RECIPE
    if path.exists() and not resume:
        raise ValueError(
            f"`out` must be a new folder, got {str(out)!r}, which holds a run: "
            "pass `resume=True` to continue it, or name another folder."
        )
    start = Recipe.read(path) if path.exists() else MINIS[name]
    recipe = dataclasses.replace(start, **overrides)
    out.mkdir(parents=True, exist_ok=True)
    recipe.write(path)
    return recipe


def _autoencoder(recipe: Recipe, out: Path, device: str) -> AutoencoderKL:
    folder = out / "vae"
    if folder.exists():
        return AutoencoderKL.from_pretrained(folder).to(device)
    torch.manual_seed(recipe.seed)
    vae = autoencoder.autoencoder(recipe).to(device)
    images, _ = bank.draw(recipe.bank, recipe.seed)
    with _Progress("autoencoder", recipe.vae_steps, out) as progress:
        autoencoder.fit(vae, images, recipe, progress)
    vae.save_pretrained(folder)
    return vae


def _bank(vae: AutoencoderKL, recipe: Recipe, out: Path) -> bank.Bank:
    path = out / "bank.pt"
    if path.exists():
        return bank.Bank(**torch.load(path))
    filled = bank.fill(vae, recipe)
    vae.save_pretrained(out / "vae")
    _save({"latents": filled.latents, "captions": filled.captions}, path)
    return filled


def _match(matching: Matching, recipe: Recipe, out: Path) -> None:
    saved = time.monotonic()
    with _Progress("flow", recipe.steps, out, matching.step) as progress:
        while matching.step < recipe.steps:
            progress({"loss": matching.advance()})
            if time.monotonic() - saved > 60 * recipe.checkpoint_minutes:
                _save(matching.state_dict(), out / CHECKPOINT)
                saved = time.monotonic()
    _save(matching.state_dict(), out / CHECKPOINT)


def _save(value: dict, path: Path) -> None:
    """Writes a file that is either old or new, never half of one."""
    new = path.with_suffix(".new")
    torch.save(value, new)
    os.replace(new, path)


class _Progress:
    """A bar on the terminal and a line of means in ``losses.jsonl`` every 20 steps."""

    def __init__(self, stage: str, steps: int, out: Path, done: int = 0):
        self.stage, self.path, self.step = stage, out / "losses.jsonl", done
        self.bar = tqdm(total=steps, initial=done, desc=stage, mininterval=10)
        self.recent: list[dict[str, float]] = []

    def __enter__(self) -> Callable[[dict[str, float]], None]:
        return self._note

    def __exit__(self, *exception) -> None:
        self.bar.close()

    def _note(self, numbers: dict[str, float]) -> None:
        self.step += 1
        self.recent.append(numbers)
        if len(self.recent) == _LOG_EVERY:
            means = {k: sum(n[k] for n in self.recent) / _LOG_EVERY for k in numbers}
            self.recent.clear()
            self.bar.set_postfix({k: f"{v:.4g}" for k, v in means.items()}, refresh=False)
            line = {"stage": self.stage, "step": self.step, "time": time.time(), **means}
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        self.bar.update()
