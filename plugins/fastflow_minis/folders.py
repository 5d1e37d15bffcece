"""Where weights lie, and how a run becomes a folder that a pipeline loads."""

import shutil
import tempfile
from pathlib import Path

import torch

from fastflow_minis import recipes

RECIPE = "recipe.json"
CHECKPOINT = "checkpoint.pt"

_SHIPPED = Path(__file__).parent / "weights"


def folder(name: str) -> Path:
    """Returns the folder of a shipped mini model.

    Raises:
        ValueError: The name is unknown.
        FileNotFoundError: The weights are not there.
    """
    path = _SHIPPED / recipes.find(name).name
    if not path.is_dir():
        raise FileNotFoundError(
            f"The weights of {name!r} are not in {path}: install the project from its repository "
            f"or train them with `fastflow train-mini {name}`."
        )
    return path


def find_folder(source: str, argument: str, file: str = "model_index.json") -> Path:
    """Returns the folder of a shipped mini by its name, or of any model by its path.

    Args:
        source: The name or the path.
        argument: What the user calls it.
        file: What such a folder has in it; by default it is a pipeline's.

    Raises:
        ValueError: There is neither.
    """
    path = Path(source)
    if not (path / file).is_file() and source in recipes.MINIS:
        path = _SHIPPED / source
    if not (path / file).is_file():
        raise ValueError(
            f"`{argument}` must be a folder with {file} in it, or a mini whose weights are here, "
            f"got {source!r}."
        )
    return path


def export(run: Path, destination: Path) -> Path:
    """Writes a run's averaged weights as its pipeline; replaces the destination at once.

    Args:
        run: A folder of `train` with a checkpoint, finished or not.
        destination: The folder to write.
    """
    state = torch.load(run / CHECKPOINT, map_location="cpu")
    mini = recipes.read(run / RECIPE).build(run)
    mini.learners.load_state_dict(state["average"], strict=False)
    destination = Path(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as parent:
        new = Path(parent) / "new"
        mini.save(new)
        if destination.exists():
            destination.rename(Path(parent) / "old")
        shutil.move(new, destination)
    return destination
