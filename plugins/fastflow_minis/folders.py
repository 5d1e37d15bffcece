"""Where weights lie, and how a run becomes a folder that FluxPipeline.from_pretrained reads."""

import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from fastflow_minis import components
from fastflow_minis.flow import learners
from fastflow_minis.recipe import MINIS, Recipe

RECIPE = "recipe.json"
CHECKPOINT = "checkpoint.pt"

_SHIPPED = Path(__file__).parent / "weights"


def folder(name: str) -> Path:
    """Returns the folder of a shipped mini model.

    Raises:
        ValueError: The name is unknown.
        FileNotFoundError: The weights are not there.
    """
    if name not in MINIS:
        raise ValueError(f"`name` must be one of {', '.join(MINIS)}, got {name!r}.")
    path = _SHIPPED / name
    if not (path / "model_index.json").exists():
        raise FileNotFoundError(
            f"The weights of {name!r} are not in {path}: install the project from its repository "
            f"or train them with `fastflow train-mini {name}`."
        )
    return path


def export(run: Path, destination: Path) -> Path:
    """Writes a run's averaged weights as a FluxPipeline; replaces the destination at once.

    Transformer and autoencoder are stored in half precision. The text encoders are not, because
    transformers, unlike diffusers, would load them in the precision of their file.

    Args:
        run: A folder of `train` with a checkpoint, finished or not.
        destination: The folder to write.
    """
    recipe = Recipe.read(run / RECIPE)
    pipe = components.pipeline(recipe, AutoencoderKL.from_pretrained(run / "vae"))
    state = torch.load(run / CHECKPOINT, map_location="cpu")
    learners(pipe).load_state_dict(state["average"], strict=False)
    destination = Path(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as parent:
        new = Path(parent) / "new"
        pipe.transformer.half()
        pipe.vae.half()
        pipe.vae.register_to_config(_name_or_path=destination.name)
        pipe.save_pretrained(new)
        if destination.exists():
            destination.rename(Path(parent) / "old")
        shutil.move(new, destination)
    return destination
