"""Trains a mini model by its recipe: builds it, gathers examples, trains, exports."""

import dataclasses
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from fastflow.runs import locked
from fastflow_minis.training.checkpoint import fitting, load_state, save_state
from fastflow_minis.training.flow_matching import FlowMatching
from fastflow_minis.training.progress import TrainingProgress
from fastflow_minis.training.recipe import Recipe
from fastflow_minis.zoo import find_recipe, read_recipe

RECIPE = "recipe.json"
CHECKPOINT = "checkpoint.pt"


def train(
    name: str, out: Path, device: str = "cpu", resume: bool = False, **overrides: Any
) -> Path:
    """Trains a mini model.

    Args:
        name: A key of `MINIS`.
        out: The run's folder: recipe, examples, checkpoint, losses (JSON lines) and, at the end,
            the model.
        device: Where to train, such as "cpu" or "cuda".
        resume: Whether to continue the run in `out`, by the recipe in it.
        **overrides: Fields of the recipe to change, such as ``steps=20``.

    Returns:
        The folder of the trained model, ``out/pipeline``. A model that is there already is kept
        beside it, as ``out/pipeline-1``.

    Raises:
        ValueError: The name or a field is unknown, `out` contains a run and `resume` is off, it
            contains a run of another mini or something else, or another process trains in it.
    """
    out = Path(out)
    begins = not (out / RECIPE).exists()
    recipe = _recipe(name, out, resume, overrides)
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out, f"train-mini {name}"):
            return _trained(recipe, out, device, begins)
    finally:
        if made:
            with suppress(OSError):
                out.rmdir()  # it is empty only if nothing was trained


def _trained(recipe: Recipe, out: Path, device: str, begins: bool) -> Path:
    recipe.write(out / RECIPE)
    try:
        _train(recipe, out, device)
    except KeyboardInterrupt:
        raise SystemExit(
            f"Interrupted; {out} keeps the last checkpoint. Continue with "
            f"train({recipe.name!r}, {str(out)!r}, resume=True)."
        ) from None
    except ValueError:
        if begins and _contents(out) == [RECIPE]:
            (out / RECIPE).unlink()  # nothing was trained: the folder can be used again
        raise
    return export_mini(out, out / "pipeline")


def _contents(folder: Path) -> list[str]:
    """Returns the names in a folder, without those of its lock."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if not name.startswith(".lock")]


def _recipe(name: str, out: Path, resume: bool, overrides: dict) -> Recipe:
    """Checks the arguments of `train` and returns the run's recipe."""
    recipe = find_recipe(name)
    unknown = sorted(set(overrides) - set(recipe.settings()))
    if unknown:
        raise ValueError(
            f"`overrides` must be fields of {type(recipe).__name__}, got {', '.join(unknown)}: "
            f"choose from {', '.join(sorted(recipe.settings()))}."
        )
    path = out / RECIPE
    if path.exists():
        recipe = _continued(recipe, path, resume)
    elif others := _contents(out):
        raise ValueError(
            f"`out` must be a new folder, got {str(out)!r}, which holds {others[0]!r} and no run: "
            "name another folder."
        )
    return dataclasses.replace(recipe, **overrides)


def _continued(recipe: Recipe, path: Path, resume: bool) -> Recipe:
    """Returns the recipe of the run that is already there."""
    out = str(path.parent)
    if not resume:
        raise ValueError(
            f"`out` must be a new folder, got {out!r}, which holds a run: "
            "pass `resume=True` to continue it, or name another folder."
        )
    found = read_recipe(path)
    if found.name != recipe.name:
        raise ValueError(
            f"`out` must hold a run of {recipe.name} to continue, got {out!r}, which holds one of "
            f"{found.name}: name another folder, or train {found.name}."
        )
    return found


def _train(recipe: Recipe, run: Path, device: str) -> None:
    mini = recipe.build(run, device)
    matching = FlowMatching(mini.learners, mini.objective(run), recipe)
    path = run / CHECKPOINT
    if path.exists():
        resume_training(matching, path, device)
    saved = time.monotonic()
    with TrainingProgress("flow", recipe.steps, run, matching.step) as progress:
        while matching.step < recipe.steps:
            progress({"loss": matching.advance()})
            if time.monotonic() - saved > 60 * recipe.checkpoint_minutes:
                save_state(matching.state_dict(), path)
                saved = time.monotonic()
    save_state(matching.state_dict(), path)


def resume_training(matching: FlowMatching, path: Path, device: str) -> None:
    """Continues from a checkpoint.

    Raises:
        ValueError: naming the file, if it is damaged, or is not of such a training.
    """
    state = load_state(path, device)
    with fitting(path):
        matching.load_state_dict(state)


def export_mini(run: Path, destination: Path) -> Path:
    """Writes a run's averaged weights as its pipeline, all of it or nothing.

    Args:
        run: A folder of `train` with a checkpoint, finished or not.
        destination: The folder to write. One that is there already is not removed, and is named
            ``destination-1``, or with the first number that is free.
    """
    state = load_state(run / CHECKPOINT)
    mini = read_recipe(run / RECIPE).build(run)
    with fitting(run / CHECKPOINT):
        mini.learners.load_state_dict(state["average"], strict=False)
    destination = Path(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as parent:
        new = Path(parent) / "new"
        mini.save(new)
        if destination.exists():
            named = (destination.with_name(f"{destination.name}-{i}") for i in count(1))
            destination.rename(next(path for path in named if not path.exists()))
        new.rename(destination)
    return destination
