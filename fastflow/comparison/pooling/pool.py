"""`fastflow pool`: comparisons that differ in nothing but the seed, in one table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastflow.comparison.checks import Repetition, evaluate, intervals_cover
from fastflow.comparison.compare import finished_rows
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.page.text import as_csv
from fastflow.comparison.pooling.pooled_row import SeedResults, pooled_rows
from fastflow.comparison.pooling.pooled_text import as_markdown
from fastflow.comparison.rows import ComparisonDirectory
from fastflow.comparison.table import psnrs_of
from fastflow.registry.compose import Config, load, settings_of
from fastflow.sampling.storage import command_line, is_left, write_whole, writing

# settings that change no measured number but clock readings, and the rounding in a batch
FREE = ("seed", "seeds", "out", "resume", "force", "pairs", "examples", "max_batch")
FREE += ("observers", "executor", *ComparisonSettings.retired)
FILES = ("pooled.json", "pooled.csv", "table.md")


def pool(paths: Sequence[Path], out: Path, fewest: int = 2) -> Path:
    """Writes pooled.json, pooled.csv and table.md from comparisons with different seeds.

    Args:
        paths: the directories of finished comparisons; one of several seeds counts as several.
        out: the directory to make.
        fewest: how many there have to be; of a single one, intervals cover its samples alone.

    Raises:
        ValueError: if there are too few, one is not a comparison's directory or has no
            finished row, they differ in more than the seed, two have the same seed, or ``out``
            holds anything else than a part of the same files, as a killed command leaves it.
    """
    _check_out(out, dict.fromkeys(FILES))
    directories = [
        folder for path in paths for folder in _of_each_seed(ComparisonDirectory.existing(path))
    ]
    if len(directories) < fewest:
        raise ValueError(
            f"comparisons of {fewest} or more seeds are needed, got {len(directories)}."
        )
    configs = [_config(directory) for directory in directories]
    _check_same([directory.path for directory in directories], configs)
    seeds = [_read(*both) for both in zip(directories, configs, strict=True)]
    rows = list(pooled_rows(seeds))
    if not rows:
        raise ValueError("no method is finished at the same target in all of these comparisons.")
    settings, model = seeds[0].results.settings, seeds[0].results.model
    content = {
        "model": model,
        "steps": settings.steps,
        "samples": settings.samples,
        "seeds": [one.seed for one in seeds],
        "intervals": intervals_cover(len(seeds), settings.samples),
        "notes": list(_notes(seeds, len(rows))),
        "table": [row.to_dict() for row in rows],
    }
    table = as_csv(row.to_dict() for row in rows)
    texts = (json.dumps(content, indent=1) + "\n", table, as_markdown(content))
    _check_out(out, dict(zip(FILES, texts, strict=True)))
    with writing(out / FILES[0], again="make room, then run it again."):
        out.mkdir(parents=True, exist_ok=True)
        for name, text in zip(FILES, texts, strict=True):
            write_whole(out / name, text)
    return out


def _check_out(out: Path, texts: Mapping[str, str | None]) -> None:
    """Raises a ValueError if writing would replace a file: one of another name or another text.

    Args:
        out: the directory to make.
        texts: the text of each file to write; None if it is not known yet.
    """
    found = list(out.iterdir()) if out.is_dir() else [out] if out.exists() else []
    if all(is_left(path) or _is_same(path, texts) for path in found):
        return
    raise ValueError(
        f"`out` {str(out)!r} exists already, and nothing is overwritten. Choose another name."
    )


def _is_same(path: Path, texts: Mapping[str, str | None]) -> bool:
    if path.name not in texts or not path.is_file():
        return False
    text = texts[path.name]
    return text is None or path.read_bytes() == text.encode()


def _of_each_seed(directory: ComparisonDirectory) -> Iterator[ComparisonDirectory]:
    """Yields the folder of each seed of a comparison.

    Raises:
        ValueError: if a seed is not finished.
    """
    yield directory
    config = load(directory.path / "config.yaml", ComparisonSettings)
    for seed in settings_of(config, ComparisonSettings).every_seed()[1:]:
        folder = directory.repetition(seed)
        if not (folder.path / "references.json").is_file():
            raise ValueError(
                f"{str(directory.path)!r} has not finished seed {seed}; resume with: "
                + command_line("compare", f"resume={directory.path}")
            )
        yield folder


def _config(directory: ComparisonDirectory) -> Config:
    """Returns the configuration of one seed."""
    config = load(directory.path / "config.yaml", ComparisonSettings)
    first = settings_of(config, ComparisonSettings).every_seed()[0]
    return config | {"seed": first, "seeds": 1}


def _read(directory: ComparisonDirectory, config: Config) -> SeedResults:
    settings = settings_of(config, ComparisonSettings)
    rows = finished_rows(directory, settings)
    measured = Repetition(directory.references(), rows)
    results = evaluate(settings, config["names"]["model"], [measured])
    psnrs = {(row.method, row.target): psnrs_of(row) for row in rows}
    return SeedResults(settings.seed, results, psnrs)


def _check_same(paths: Sequence[Path], configs: Sequence[Config]) -> None:
    first, *others = (dict(_leaves(config)) for config in configs)
    for path, other in zip(paths[1:], others, strict=True):
        names = [n for n in {**first, **other} if first.get(n) != other.get(n)]
        if names:
            shown = "; ".join(f"`{n}` {first.get(n)!r} and {other.get(n)!r}" for n in names[:4])
            more = f"; and {len(names) - 4} more settings" if len(names) > 4 else ""
            raise ValueError(
                f"{str(paths[0])!r} and {str(path)!r} cannot be pooled: they differ in {shown}"
                f"{more}. Only the seed may differ; run the comparison again with a seed of its "
                "own."
            )
    seeds = [config["seed"] for config in configs]
    if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise ValueError(
            f"`seed` {twice[0]} occurs twice: the same comparison counted twice would make the "
            "intervals too narrow. Pool comparisons with different seeds."
        )


def _leaves(content: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the settings that comparisons must share, nested ones with dots in their names."""
    for name, value in content.items():
        if name == "executor" or (not within and name in FREE):
            continue  # also the name of the executor, in `names`
        if isinstance(value, dict):
            yield from _leaves(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value


def _notes(seeds: Sequence[SeedResults], rows: int) -> Iterator[str]:
    settings = seeds[0].results.settings
    needed = settings.samples + settings.tuning
    gaps = [b - a for a, b in pairwise(sorted(one.seed for one in seeds))]
    if min(gaps, default=needed) < needed:
        yield (
            f"Sample i has noise seed `seed + i`, so seeds closer than {needed} (`samples` + "
            "`tuning`) share noise, and the intervals may be too narrow."
        )
    asked = len(settings.targets) * len(settings.names())
    if rows < asked:
        yield (
            f"{asked - rows} of {asked} rows are missing or failed in one of the comparisons and "
            "are left out."
        )
