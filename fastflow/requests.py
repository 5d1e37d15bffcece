"""What to generate: from a prompt, a file of prompts, or the model's own world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fastflow.model import Adapter
from fastflow.prompts import read_image, read_prompts
from fastflow.records import Prompt, Request
from fastflow.settings import Settings

OWN_WORLD = 64


def make_requests(settings: Settings, adapter: Adapter) -> list[Request]:
    """Returns the run's requests, sample i with noise seed ``seed + i``.

    Raises:
        ValueError: if there is no prompt, a file is missing or damaged, or there are images for
            a model that takes none.
    """
    prompts = find_prompts(settings, adapter)
    count = settings.samples or len(prompts)
    return [request(prompts[i % len(prompts)], i, settings) for i in range(count)]


def request(prompt: Prompt, index: int, settings: Settings) -> Request:
    """Returns the request for a prompt, as sample number ``index``."""
    return Request(
        index,
        prompt.text,
        settings.seed + index,
        settings.steps,
        task=prompt.task,
        image=prompt.image,
    )


def find_prompts(settings: Settings, adapter: Adapter) -> list[Prompt]:
    """Returns the prompts there are; raises a ValueError as `make_requests` does."""
    prompts = _prompts(settings, adapter)
    if not adapter.takes_images and any(prompt.image is not None for prompt in prompts):
        raise ValueError(
            f"there is an image to edit, but {type(adapter).__name__} takes none. Leave it out, "
            "or choose a model that edits, such as model=flux_kontext_dev."
        )
    return prompts


def _prompts(settings: Settings, adapter: Adapter) -> list[Prompt]:
    if settings.prompt is not None:
        prompts = [Prompt(settings.prompt)]
    elif settings.prompts is not None:
        prompts = read_prompts(Path(settings.prompts))
    else:
        return _own(adapter, settings.samples or OWN_WORLD)
    if settings.image is None:
        return prompts
    image = read_image(Path(settings.image))
    return [replace(p, image=image) if p.image is None else p for p in prompts]


def _own(adapter: Adapter, count: int) -> list[Prompt]:
    own = adapter.prompts(count)
    if not own:
        raise ValueError(
            "this model has no prompts of its own: give `prompt='...'`, or `prompts=FILE` with "
            "one prompt per line."
        )
    return own
