"""What to generate: from a prompt, a file of prompts, or the model's own world."""

from __future__ import annotations

from pathlib import Path

from fastflow.model import Adapter
from fastflow.records import Request
from fastflow.settings import Settings

OWN_WORLD = 64


def make_requests(settings: Settings, adapter: Adapter) -> list[Request]:
    """Returns the run's requests, sample i with noise seed ``seed + i``.

    Raises:
        ValueError: if there is no prompt, or the prompt file is missing or empty.
    """
    prompts = _prompts(settings, adapter)
    count = settings.samples or len(prompts)
    pairs = [prompts[i % len(prompts)] for i in range(count)]
    return [
        Request(i, prompt, settings.seed + i, settings.steps, task=task)
        for i, (prompt, task) in enumerate(pairs)
    ]


def _prompts(settings: Settings, adapter: Adapter) -> list[tuple[str, str]]:
    if settings.prompt is not None:
        return [(settings.prompt, "")]
    if settings.prompts is not None:
        return [(line, "") for line in _lines(Path(settings.prompts))]
    own = adapter.prompts(settings.samples or OWN_WORLD)
    if not own:
        raise ValueError(
            "this model has no prompts of its own: give `prompt='...'`, or `prompts=FILE` with "
            "one prompt per line."
        )
    return own


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ValueError(f"`prompts` {str(path)!r} does not exist. Give a text file.")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"`prompts` {str(path)!r} is no UTF-8 text: {error}.") from error
    found = [line for line in lines if line]
    if not found:
        raise ValueError(f"`prompts` {str(path)!r} is empty: it needs one prompt per line.")
    return found
