"""The command `fastflow train-mini NAME [key=value ...]`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from fastflow import hookimpl
from fastflow.registry import Command
from fastflow_minis.training.recipe import Recipe
from fastflow_minis.zoo import MINIS, find_recipe

ARGUMENTS = "NAME [out=FOLDER] [device=cpu] [resume=false] [key=value ...]"
TEXTS = ("out", "device")
TRAIN_MINI_USAGE = f"usage: fastflow train-mini {ARGUMENTS}"


@hookimpl
def fastflow_commands() -> dict[str, Command]:
    return {"train-mini": Command(train_mini, "NAME [key=value ...]", "train a small model")}


def train_mini(words: list[str]) -> None:
    """Trains a mini, from the arguments of the command line.

    Raises:
        ValueError: for an unknown name or key, or a value of the wrong type.
    """
    if not words or "=" in words[0]:
        raise ValueError(f"{TRAIN_MINI_USAGE}\nMinis: {', '.join(MINIS)}.")
    name, recipe = words[0], find_recipe(words[0])
    options = dict(_pair(word, recipe) for word in words[1:])
    out = options.pop("out", f"runs/train-{name}")
    device = options.pop("device", "cpu")
    resume = options.pop("resume", False)
    if not isinstance(resume, bool):
        raise ValueError(f"`resume` must be true or false, got {resume!r}.")
    if not out:
        raise ValueError("`out` is empty. Give a folder, or leave it out.")
    for key, value in options.items():
        _check(recipe, key, value)
    from fastflow_minis import train

    print(train(name, Path(out), device=device, resume=resume, **options))


def _pair(word: str, recipe: Recipe) -> tuple[str, Any]:
    """Returns a setting and its value; a text is taken as it is."""
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} is not of the form key=value. {TRAIN_MINI_USAGE}")
    if key in TEXTS or isinstance(getattr(recipe, key, None), str):
        return key, value
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        return key, value  # refused with the setting's name


def _check(recipe: Recipe, key: str, value: Any) -> None:
    from fastflow.sampling import check_schema  # late: `fastflow --help` imports this module

    defaults = dataclasses.asdict(recipe)
    if key not in defaults:
        raise ValueError(f"there is no setting {key!r}. Settings: {', '.join(defaults)}.")
    try:
        check_schema(get_type_hints(type(recipe))[key], value, "", name=key)
    except ValueError as error:
        default = defaults[key]
        shown = list(default) if isinstance(default, tuple) else default
        refusal = str(error).strip().replace(", got", f" such as {shown}, got")
        raise ValueError(refusal) from error
