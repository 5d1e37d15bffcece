"""The directories of comparisons that begin, are resumed, or are repeated with other seeds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.rows import ComparisonDirectory
from fastflow.registry.compose import Config, save
from fastflow.runs.resuming.lock import locked
from fastflow.runs.resuming.resumption import Resumption, note_inputs
from fastflow.sampling.request import Request
from fastflow.sampling.storage import make_folder, numbered_folder, writing


def repetitions(
    config: Config, settings: ComparisonSettings, directory: ComparisonDirectory
) -> Iterator[tuple[ComparisonSettings, ComparisonDirectory]]:
    """Yields the settings and the folder of each seed; makes the folders that do not exist yet.

    The first seed is in the comparison's own directory, the others are comparisons of their own
    in its folder `seeds`.
    """
    first, *others = settings.every_seed()
    yield replace(settings, seed=first, seeds=1), directory
    for seed in others:
        folder = directory.repetition(seed)
        if not (folder.path / "config.yaml").is_file():
            folder.make_folders()
            for name in ("versions.json", "left_out.json"):
                folder.write_json(name, directory.read_json(name))
            save(config | {"seed": seed, "seeds": 1, "out": None}, folder.path / "config.yaml")
        yield replace(settings, seed=seed, seeds=1), folder


def new_folder(settings: ComparisonSettings, config: Config) -> Path:
    """Makes the folder of a comparison that begins, and returns it."""
    if settings.out is None:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-compare-{config['names']['model']}"
        return numbered_folder(Path("runs") / name)
    path = Path(settings.out)
    make_folder(path, "compare")
    return path


def begun_directory(
    path: Path, config: Config, held: ExitStack, requests: Sequence[Request]
) -> ComparisonDirectory:
    """Makes the directory of a comparison that begins in a folder, and holds it."""
    held.enter_context(locked(path, "compare"))
    directory = ComparisonDirectory.create(path)
    with writing(path / "rows", "compare"):
        save(config, path / "config.yaml")
        note_inputs(path, requests)
    return directory


def resumed_directory(
    resumed: Resumption, held: ExitStack, requests: Sequence[Request]
) -> ComparisonDirectory:
    """Opens the directory of an earlier comparison, and holds it."""
    changed = resumed.changes(requests)
    directory = ComparisonDirectory.existing(resumed.path)
    held.enter_context(locked(directory.held, "compare"))
    resumed.note(changed)
    directory.make_folders()
    return directory
