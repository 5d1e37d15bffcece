"""Compares methods on every model and seed; see README.md.

Run with `python experiments/does_it_travel/run.py`. What was stopped goes on, and the same command
in a second terminal works on the models and seeds that the first one is not working on.
"""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import torch
from models import MODELS

from fastflow.comparison.compare import finish, finished_rows, two_sets
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.job import ComparisonJob
from fastflow.comparison.rows import ComparisonDirectory
from fastflow.registry.compose import (
    Config,
    build,
    build_listed,
    load,
    read,
    save,
    settings_of,
)
from fastflow.registry.nodes import NAME
from fastflow.runs.directory import versions
from fastflow.sampling.executor import Worker

SEEDS = (0, 1000, 2000)
TARGETS = (25, 19, 14, 10, 7)
CHOSEN_ON = ("flux_mini", "hunyuan_video_mini", "kontext_mini")
"""Presets on which defaults, candidates and constants were chosen before the freeze."""

SCORES = {
    **dict.fromkeys(("flux_mini", "bagel_mini", "pixel_scenes"), "scenes"),
    **dict.fromkeys(("kontext_mini", "bagel_mini_edit"), "edits"),
    "hunyuan_video_mini": "videos",
}
"""The metric of each model's own score; the digits have none."""

ALL_MODELS = [*CHOSEN_ON, "bagel_mini", "bagel_mini_edit", *MODELS]

OURS = ("halving", "plan", "ucb", "path")
RIVALS = (
    *("euler", "ab2", "unipc", "dpmpp", "uniform", "piecewise", "teacache_linear"),
    *("mean_cache", "lemica", "dp_cache", "bud_cache", "optimal_steps", "neural_solver"),
    *("seacache_linear", "easycache_linear", "spectrum", "bag_linear"),
)
ANCHORS = ("bespoke",)
"""Methods by default, as far as `conf/compare.yaml` lists them."""


@dataclass(frozen=True)
class Plan:
    """What is compared on each model and seed.

    Args:
        out: the folder of all comparisons.
        methods: names of methods or of presets.
        targets: numbers of computed steps.
        samples: how many samples are measured.
        tuning: how many others are tuned on.
        steps: the number of steps of the reference run.
        max_batch: the most samples computed at once.
        weights: the folder of the weights of this folder's models; their own if None.
        words: further settings, as `fastflow compare` takes them.
    """

    out: Path
    methods: Sequence[str]
    targets: Sequence[int] = TARGETS
    samples: int = 64
    tuning: int = 24
    steps: int = 50
    max_batch: int = 32
    weights: Path | None = None
    words: Sequence[str] = ()

    def folder(self, model: str, seed: int) -> Path:
        """Returns the directory of one comparison."""
        return self.out / f"{model}-{seed}"

    def config(self, model: str, seed: int) -> Config:
        """Returns the configuration of one comparison, complete with the model's node."""
        own = model in MODELS
        scores = [SCORES[model]] if model in SCORES else []
        config = read(
            [
                f"methods=[{','.join(self.methods)}]",
                f"metrics=[{','.join(['fidelity', *scores])}]",
                f"targets=[{','.join(map(str, self.targets))}]",
                f"samples={self.samples}",
                f"tuning={self.tuning}",
                f"steps={self.steps}",
                f"seed={seed}",
                f"max_batch={self.max_batch}",
                *("pairs=0", "converged_steps=0", "examples=1"),
                *([] if own else [f"model={model}"]),
                *self.words,
            ],
            "compare",
            ComparisonSettings,
        )
        if own:
            weights = self.weights and str(self.weights / f"{model}.safetensors")
            config["model"] = _node(model, MODELS[model](weights=weights))
            config["names"] = config["names"] | {"model": model}
        return config


def default_methods() -> list[str]:
    """Returns the default methods that this version of fastflow lists."""
    listed = listed_methods()
    return [name for name in (*OURS, *RIVALS, *ANCHORS) if name in listed]


def listed_methods() -> list[str]:
    """Returns all methods that `conf/compare.yaml` lists."""
    groups = read([], "compare", ComparisonSettings)["groups"]
    return [name for names in groups.values() for name in names]


def _node(name: str, recipe: Any) -> dict[str, Any]:
    return {NAME: name} | {f.name: getattr(recipe, f.name) for f in fields(recipe)}


def _model(config: Config) -> Any:
    """Returns the recipe of the model, which is this folder's or an installed one."""
    node = config["model"]
    if node[NAME] in MODELS:
        return MODELS[node[NAME]](**{key: v for key, v in node.items() if key != NAME})
    return build("model", node)


def run(plan: Plan, model: str, seed: int) -> Path:
    """Runs or continues one comparison; returns its directory.

    Raises:
        ValueError: if the directory holds a comparison with other settings, or a method of it has
            other parameters by now.
    """
    folder, config = plan.folder(model, seed), plan.config(model, seed)
    if (folder / "config.yaml").is_file():
        directory = ComparisonDirectory.existing(folder)
        config = continued(load(folder / "config.yaml"), config, folder)
    else:
        directory = ComparisonDirectory(folder)
        for name in ("rows", "images"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    save(config, folder / "config.yaml")
    settings = settings_of(config, ComparisonSettings)
    if len(finished_rows(directory, settings)) < len(settings.names()) * len(settings.targets):
        work(directory, config, settings)
    finish(directory)
    return folder


def work(directory: ComparisonDirectory, config: Config, settings: ComparisonSettings) -> None:
    """Measures the rows that are missing."""
    model = _model(config)
    methods = build_listed(config | {"methods": settings.names()}, "methods")
    metrics = list(build_listed(config, "metrics").values())
    measured, tuning = two_sets(settings, model)
    executor = build("executor", config["executor"])  # `inline`, on the device it is given
    worker = Worker(device=executor.device, dtype=executor.dtype)
    directory.write_json("versions.json", versions(worker.device))
    directory.write_json("left_out.json", [])
    before = time.process_time()
    try:
        loaded = model.load(worker.device, worker.dtype)
        parts = settings, loaded, methods, metrics, measured, tuning, directory
        for _ in ComparisonJob(*parts, worker).work():
            pass
    finally:
        _add_minutes(directory, (time.process_time() - before) / 60)


def _add_minutes(directory: ComparisonDirectory, minutes: float) -> None:
    """Adds to the minutes of one core that the comparison has taken so far."""
    path = directory.path / "minutes.json"
    done = directory.read_json(path.name) if path.is_file() else 0.0
    directory.write_json(path.name, done + minutes)


def continued(stored: Config, asked: Config, folder: Path) -> Config:
    """Returns the configuration with the methods of both; the rest has to be the same.

    Raises:
        ValueError: if it is not.
    """
    free = ("methods", "method", "groups", "max_batch", "out", "names")
    both = (stored.keys() | asked.keys()) - set(free)
    changed = sorted(key for key in both if stored.get(key) != asked.get(key))
    shared = stored["method"].keys() & asked["method"].keys()
    changed += sorted(name for name in shared if stored["method"][name] != asked["method"][name])
    if changed:
        raise ValueError(
            f"{str(folder)!r} holds a comparison with another {', '.join(changed)}: its rows "
            "would not be comparable. Choose another folder with --out."
        )
    names = list(dict.fromkeys([*stored["methods"], *asked["methods"]]))
    return asked | {"methods": names, "method": stored["method"] | asked["method"]}


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Yields whether this process alone may work in a folder; freed when the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def main() -> None:
    """Compares on every model and seed that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=ALL_MODELS, help="all if none is named")
    parser.add_argument("--out", type=Path, default=Path("runs/does_it_travel"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--methods", nargs="+", help="presets of conf/method, or 'all'")
    parser.add_argument("--targets", type=int, nargs="+", default=list(TARGETS))
    parser.add_argument("--samples", type=int, default=Plan.samples)
    parser.add_argument("--tuning", type=int, default=Plan.tuning)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--max-batch", type=int, default=Plan.max_batch)
    parser.add_argument("--weights", type=Path, help="folder of the weights that train.py wrote")
    parser.add_argument("--set", nargs="+", default=[], help="settings: executor.device=cuda")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    names = chosen.methods or default_methods()
    if names == ["all"]:
        names = listed_methods()
    numbers = {n: getattr(chosen, n) for n in ("samples", "tuning", "steps", "max_batch")}
    plan = Plan(
        chosen.out, names, chosen.targets, **numbers, weights=chosen.weights, words=chosen.set
    )
    for seed, model in product(chosen.seeds, chosen.models):
        with claimed(plan.folder(model, seed)) as mine:
            print(f"{model}, seed {seed}{'' if mine else ': another process works on it'}")
            if not mine:
                continue
            try:
                run(plan, model, seed)
            except ValueError as error:
                sys.exit(f"{model}, seed {seed}: {error}")


if __name__ == "__main__":
    main()
