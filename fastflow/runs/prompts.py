"""What to generate: a prompt, a file of prompts, or the model's own prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastflow.evaluation.benchmark import Benchmark, places
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling.media import read_image
from fastflow.sampling.model import Model
from fastflow.sampling.request import Prompt, Request
from fastflow.sampling.storage import read_objects, read_text

FIELDS = ("prompt", "image", "task")
HINT = "A benchmark's own file needs benchmark=NAME."
OWN_PROMPTS = 64  # how many of the model's own, unless `samples` is set


def read_prompts(path: Path) -> list[Prompt]:
    """Reads a text file with one prompt per line, or a ``.jsonl`` file with one object per line.

    An object has a ``prompt``, and optionally an ``image``, a path relative to the folder of the
    file, and a ``task``. Blank lines are ignored, and so are spaces around a line of text; nothing
    else is changed, and in an object nothing at all.

    Raises:
        ValueError: if the file, a line or an image cannot be read, or there are no prompts.
    """
    name = "`prompts`"
    if path.suffix == ".json":
        raise ValueError(f"{name} {str(path)!r} must be .txt or .jsonl, not .json. {HINT}")
    if path.suffix == ".jsonl":
        rows = read_objects(path, name, "a text file")
        prompts = [_prompt(row, path.parent, where) for where, row in rows]
    else:
        lines = (line.strip() for line in read_text(path, name, "a text file").split("\n"))
        prompts = [Prompt(line) for line in lines if line]
    if not prompts:
        raise ValueError(f"{name} {str(path)!r} is empty: it needs one prompt per line.")
    return prompts


def _prompt(row: Mapping[str, Any], folder: Path, where: str) -> Prompt:
    if not all(isinstance(value, str) for value in row.values()):
        raise ValueError(
            f'{where} must be like {{"prompt": "...", "image": "..."}}, got {json.dumps(row)}. '
            + HINT
        )
    unknown = ", ".join(row.keys() - FIELDS)
    if unknown:
        raise ValueError(f"{where} may have the fields {', '.join(FIELDS)}, got {unknown}. {HINT}")
    if not row.get("prompt", "").strip():
        raise ValueError(f"{where} has no `prompt`. Say what to generate.")
    image = read_image(folder / row["image"]) if "image" in row else None
    return Prompt(row["prompt"], row.get("task", ""), image)


def make_requests(
    settings: RunSettings, model: Model, benchmark: Benchmark | None = None
) -> list[Request]:
    """Returns the run's requests; sample i has the noise seed ``seed + i``.

    All prompts are used once before one is repeated. A benchmark reads the file of prompts itself
    and determines how often each is repeated.

    Raises:
        ValueError: if there are no prompts, a file is missing or damaged, there are images for a
            model that does not take any, or more samples than the benchmark has places for.
    """
    prompts = find_prompts(settings, model, benchmark)
    count = settings.samples or len(prompts) * (benchmark.repeats if benchmark else 1)
    requests = [
        request(prompts[i % len(prompts)], i, settings, repeat=i // len(prompts))
        for i in range(count)
    ]
    if benchmark is not None:
        places(benchmark, ((request.item, request.repeat) for request in requests))
    return requests


def request(prompt: Prompt, index: int, settings: RunSettings, repeat: int = 0) -> Request:
    """Returns the request of sample number ``index``; its noise seed is ``seed + index``."""
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
    settings: RunSettings, model: Model, benchmark: Benchmark | None = None
) -> list[Prompt]:
    """Returns the run's prompts; raises a ValueError as `make_requests` does."""
    prompts = _prompts(settings, model, benchmark)
    for prompt in prompts:
        if any("\ud800" <= letter <= "\udfff" for letter in prompt.text):
            raise ValueError(f"the prompt {prompt.text!r} is not text: it holds half a character.")
    if not model.takes_images and any(prompt.image is not None for prompt in prompts):
        raise ValueError(
            f"there is an `image` to edit, but {type(model).__name__} does not take images. Leave "
            "it out, or choose a model that edits, such as model=flux_kontext_dev."
        )
    return prompts


def _prompts(settings: RunSettings, model: Model, benchmark: Benchmark | None) -> list[Prompt]:
    if benchmark is not None:
        if settings.prompts is None:
            raise ValueError("`benchmark` needs `prompts`: the path of the benchmark's own file.")
        prompts = benchmark.read(Path(settings.prompts))
    elif settings.prompt is not None:
        prompts = [Prompt(settings.prompt)]
    elif settings.prompts is not None:
        prompts = read_prompts(Path(settings.prompts))
    else:
        return _own(model, settings.samples or OWN_PROMPTS)
    if settings.image is None:
        return prompts
    image = read_image(Path(settings.image))
    return [replace(p, image=image) if p.image is None else p for p in prompts]


def _own(model: Model, count: int) -> list[Prompt]:
    own = model.prompts(count)
    if not own:
        raise ValueError(
            "this model has no prompts of its own: give `prompt='...'`, or `prompts=FILE` with "
            "one prompt per line."
        )
    return own
