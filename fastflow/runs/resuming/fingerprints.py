"""Fingerprints of what a run depends on: files, folders, settings and requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastflow.registry.compose import Config, presets
from fastflow.sampling.request import Request

READ = ("prompts", "image", "memory", "path", "folder")  # settings that name what is read
WRITTEN = ("file",)  # those that name what is written as well, and so changes
WHOLE = 4 << 20  # bytes up to which a file is read as a whole
END = 1 << 20  # bytes read at each end of a larger one
UNCOMPARED = (
    "out",
    "resume",
    "force",
    "names",
    "executor",
    "executors",
    "observers",
    "observer",
    "workers",
)


def path_settings(config: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Yields the dotted name and the text of every setting that names what a run reads."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from path_settings(value, f"{within}{name}.")
        elif name in READ and isinstance(value, str) and not is_preset(value):
            yield f"{within}{name}", value


def is_preset(text: str) -> bool:
    """Returns whether a text is the name of a model that comes with fastflow."""
    return text.isidentifier() and (presets() / "model" / f"{text}.yaml").is_file()


def placed(config: Config, folder: Path) -> Config:
    """Returns a configuration whose relative paths are those seen from a folder.

    A path that is not there is left as it is: it may be seen from where we are now, or be the name
    of a repository.
    """
    return {name: _placed(name, value, folder) for name, value in config.items()}


def _placed(name: str, value: Any, folder: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: _placed(key, one, folder) for key, one in value.items()}
    if not isinstance(value, str) or not value or name not in (*READ, *WRITTEN):
        return value
    there = folder / value
    return str(there) if there.exists() and not is_preset(value) else value


def files_in(path: Path) -> dict[str, str]:
    """Returns the fingerprint of a file, or of each file in a folder, by its relative path.

    It has the size and the content, of a large file a piece at each end; no time of change, so
    that a copy is the same.
    """
    if path.is_file():
        return {"": _of_file(path)}
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {file.relative_to(path).as_posix(): _of_file(file) for file in files}


def _of_file(path: Path) -> str:
    size, digest = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as file:
        if size <= WHOLE:
            digest.update(file.read())
        else:
            digest.update(file.read(END))
            file.seek(-END, 2)
            digest.update(file.read(END))
    return f"{size}-{digest.hexdigest()[:32]}"


def of_settings(config: Config) -> dict[str, str]:
    """Returns the fingerprint of every setting on which the samples depend."""
    return {name: _of(value) for name, value in sorted(config.items()) if name not in UNCOMPARED}


def of_requests(requests: Sequence[Request]) -> list[str]:
    """Returns the fingerprint of each request: its prompt, its noise and its image."""
    return [_of_request(request) for request in requests]


def _of_request(request: Request) -> str:
    image = request.image
    pixels = None if image is None else _of([image.size, image.mode, _digest(image.tobytes())])
    noise = [request.index, request.seed, request.steps, request.repeat]
    return _of([*noise, request.prompt, request.task, dict(request.item), pixels])


def _of(content: Any) -> str:
    return _digest(json.dumps(content, sort_keys=True, default=repr).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
