"""The list of minis, and the folders of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastflow_minis.models.bagel.bagel_recipe import BagelRecipe
from fastflow_minis.models.flux.flux_recipe import FluxRecipe
from fastflow_minis.models.hunyuan_video.hunyuan_video_recipe import HunyuanVideoRecipe
from fastflow_minis.models.kontext.kontext_recipe import KontextRecipe
from fastflow_minis.training.recipe import Recipe

_RECIPES = (FluxRecipe(), KontextRecipe(), HunyuanVideoRecipe(), BagelRecipe())

MINIS: dict[str, Recipe] = {recipe.name: recipe for recipe in _RECIPES}
"""The recipes by name."""

_SHIPPED = Path(__file__).parent / "weights"


def folder(name: str) -> Path:
    """Returns the folder of a shipped mini model.

    Raises:
        ValueError: The name is unknown.
        FileNotFoundError: The weights are not there.
    """
    path = _SHIPPED / find_recipe(name).name
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
        argument: The argument's name, for the error message.
        file: A file that such a folder contains; the default is a pipeline's.

    Raises:
        ValueError: There is neither such a mini nor such a folder.
    """
    path = Path(source)
    if not (path / file).is_file() and source in MINIS:
        path = _SHIPPED / source
    if not (path / file).is_file():
        raise ValueError(
            f"`{argument}` must be a folder that contains {file}, or a mini whose weights are "
            f"installed, got {source!r}."
        )
    return path


def find_recipe(name: str) -> Recipe:
    """Returns a mini's recipe.

    Raises:
        ValueError: The name is unknown.
    """
    if name not in MINIS:
        raise ValueError(f"`name` must be one of {', '.join(MINIS)}, got {name!r}.")
    return MINIS[name]


def read_recipe(path: Path) -> Recipe:
    """Reads the recipe that a run wrote to its folder (`Recipe.write`).

    Raises:
        ValueError: It is not the recipe of a mini in `MINIS`.
    """
    # imported here, because `fastflow --help` looks for commands in this package
    from fastflow.sampling import check_schema, parse_json, read_bounded

    content = parse_json(read_bounded(path, str(path), "a training's recipe.json"), str(path))
    check_schema(dict[str, Any], content, str(path))
    name = content.pop("mini", None)
    if not isinstance(name, str) or name not in MINIS:
        raise ValueError(
            f"{path} must name one of {', '.join(MINIS)} as its `mini`, got {name!r:.60}."
        )
    kind = type(MINIS[name])
    if odd := sorted(content.keys() - set(kind.settings())):
        raise ValueError(f"{path} has `{odd[0]}`, and {name} has no such setting.")
    check_schema(kind, content, str(path))
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in content.items()
    }
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
