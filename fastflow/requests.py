"""What to generate: from a prompt, a file of prompts, or the model's own world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fastflow.evaluation.benchmark import Benchmark, places
from fastflow.prompts import read_image, read_prompts
from fastflow.sampling.model import Adapter
from fastflow.sampling.request import Prompt, Request
from fastflow.settings import Settings

OWN_WORLD = 64


def make_requests(
    settings: Settings, adapter: Adapter, benchmark: Benchmark | None = None
) -> list[Request]:
    """Returns the run's requests, sample i with noise seed ``seed + i``.

    Every prompt comes once before any comes again. A benchmark says how to read the file of
    prompts, and how often each is drawn.

    Raises:
        ValueError: if there is no prompt, a file is missing or damaged, there are images for a
            model that takes none, or more samples than a benchmark has room for.
    """
    prompts = find_prompts(settings, adapter, benchmark)
    count = settings.samples or len(prompts) * (benchmark.repeats if benchmark else 1)
    requests = [
        request(prompts[i % len(prompts)], i, settings, repeat=i // len(prompts))
        for i in range(count)
    ]
    if benchmark is not None:
        places(benchmark, ((request.item, request.repeat) for request in requests))
    return requests


def request(prompt: Prompt, index: int, settings: Settings, repeat: int = 0) -> Request:
    """Returns the request for a prompt, as sample number ``index``."""
    return Request(
        index,
        prompt.text,
        settings.seed + index,
        settings.steps,
        task=prompt.task,
        image=prompt.image,
        item=prompt.item,
        repeat=repeat,
    )


def find_prompts(
    settings: Settings, adapter: Adapter, benchmark: Benchmark | None = None
) -> list[Prompt]:
    """Returns the prompts there are; raises a ValueError as `make_requests` does."""
    prompts = _prompts(settings, adapter, benchmark)
    if not adapter.takes_images and any(prompt.image is not None for prompt in prompts):
        raise ValueError(
            f"there is an image to edit, but {type(adapter).__name__} takes none. Leave it out, "
            "or choose a model that edits, such as model=flux_kontext_dev."
        )
    return prompts


def _prompts(settings: Settings, adapter: Adapter, benchmark: Benchmark | None) -> list[Prompt]:
    if benchmark is not None:
        if settings.prompts is None:
            raise ValueError("`benchmark` needs `prompts`: the path of the benchmark's own file.")
        prompts = benchmark.read(Path(settings.prompts))
    elif settings.prompt is not None:
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
