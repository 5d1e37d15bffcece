"""What policies cost besides the network, in processor time beside TeaCache; see README.md.

Run with `python experiments/overhead_beside_teacache/analysis.py`. It reads its sizes from
conf/experiment/overhead_beside_teacache.yaml and writes result.json, table.md and figure.svg.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from fastflow.comparison.compare import two_sets
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.tuning import Search, replayed
from fastflow.evaluation import Bench
from fastflow.evaluation.bootstrap import half_interval
from fastflow.policies import Memory, Policy
from fastflow.registry.compose import build, build_listed, read, settings_of
from fastflow.sampling import FlowModel, Recording, Request, Sampler
from fastflow.sampling.model import LatentsOnly
from fastflow_plugins.methods import Skipping

NAME = "overhead_beside_teacache"
OUT = Path("runs/analysis") / NAME  # nothing committed is overwritten unless --out says so
PLAIN, LEVEL = "never", "uniform"


def main() -> None:
    """Measures every model and seed, and writes what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["flux_mini", "kontext_mini"])
    parser.add_argument("--seeds", type=int, help="how many, instead of the file's")
    parser.add_argument("--samples", type=int, help="of each seed, instead of the file's")
    parser.add_argument("--repeats", type=int, default=3, help="of each sample and method")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help=f"where the results go; the committed ones are in experiments/{NAME}",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = [row for model in options.models for row in measured(options, model)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps(found) + "\n")
    text = "\n".join(table(found)) + "\n"
    (options.out / "table.md").write_text(text)
    draw(found).savefig(options.out / "figure.svg", metadata={"Date": None})
    print(text, options.out, sep="\n")


def measured(options: argparse.Namespace, name: str) -> Iterator[dict[str, Any]]:
    """Yields the ratios of each method on one model, a row for each seed."""
    words = [f"{k}={getattr(options, k)}" for k in ("seeds", "samples") if getattr(options, k)]
    words = [f"experiment={NAME}", f"model={name}", *words]
    config = read(words, "compare", ComparisonSettings)
    settings = settings_of(config, ComparisonSettings)
    recipe = build("model", config["model"])
    model = LatentsOnly(recipe.load())
    for number in range(settings.seeds):
        seeded = replace(settings, seed=1000 * number)
        requests, tuning = two_sets(seeded, recipe)
        recorded = Recording.make(model, tuning, settings.max_batch)
        bench = Bench(model, settings.steps, recorded, seed=seeded.seed)
        has_probe = bool(next(iter(recorded.trajectories.values())).signals)
        samplers = {PLAIN: plain(model)}
        for method, built in build_listed(config, "methods").items():
            if has_probe or not method.startswith("teacache"):
                samplers[method] = learned(built, bench, tuning, settings.targets[0])
        seconds = timed(samplers, model, requests, options.repeats, seeded.seed)
        for method in samplers:
            if method != PLAIN:
                yield {"model": name, "seed": seeded.seed, "method": method} | ratios(
                    seconds, method, settings.steps
                )
        print(f"{name}, seed {seeded.seed}", file=sys.stderr, flush=True)


def plain(model: FlowModel) -> Sampler:
    """Returns a sampler that computes every step."""
    scheme = Skipping()
    policy = build("policy", {"component": PLAIN})
    return Sampler(model, policy, scheme.extrapolator, scheme.corrector, max_batch=1)


def learned(method: Skipping, bench: Bench, tuning: list[Request], target: float) -> Sampler:
    """Returns a sampler whose policy was brought to a number of computed steps, and learned."""
    turned = method.at(Search(method.knob, replayed(method, bench)).find(target))
    assert isinstance(turned, Skipping)
    what = turned.learn(bench, tuning).what
    policy = what if isinstance(what, Policy) else turned.policy
    memory = what if isinstance(what, Memory) else None
    parts = turned.extrapolator, turned.corrector
    return Sampler(bench.model, policy, *parts, memory, bench.seed, max_batch=1)


def timed(
    samplers: dict[str, Sampler],
    model: FlowModel,
    requests: Sequence[Request],
    repeats: int,
    seed: int,
) -> list[dict[str, tuple[float, int]]]:
    """Returns the processor seconds and the computed steps of each method, a dict for each turn.

    All methods generate the same sample in a random order. The time for text and noise, which
    does not depend on the method, is taken off.
    """
    order = random.Random(seed)
    found = []
    for request in [r for _ in range(repeats) for r in requests]:
        turn: dict[str, tuple[float, int]] = {}
        start = time.process_time()
        model.prepare(request)
        before = time.process_time() - start
        for name in order.sample(list(samplers), len(samplers)):
            start = time.process_time()
            (sample,) = samplers[name].run([request])
            turn[name] = (time.process_time() - start - before, len(sample.computed))
        found.append(turn)
    return found[len(requests) // 2 :]  # the first are slower


def ratios(turns: list[dict[str, tuple[float, int]]], method: str, steps: int) -> dict[str, float]:
    """Returns medians over turns: the ratios of times per computed step, and the speed-up."""
    own = [(turn[method], turn[PLAIN], turn[LEVEL]) for turn in turns]
    return {
        "steps": statistics.mean(a[1] for a, _, _ in own),
        "to_never": statistics.median(a[0] / a[1] / (b[0] / steps) for a, b, _ in own),
        "to_uniform": statistics.median(a[0] / a[1] / (c[0] / c[1]) for a, _, c in own),
        "faster": statistics.median(b[0] / a[0] for a, b, _ in own),
        "fewer": statistics.mean(steps / a[1] for a, _, _ in own),
        "turns": len(own),
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns the mean and half of its 95 % interval, Student's t over the seeds."""
    return float(np.mean(values)), half_interval(values)


def cells(found: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, tuple[float, float]]]:
    """Returns the intervals over seeds, by model and method."""
    keys = dict.fromkeys((row["model"], row["method"]) for row in found)
    names = ("steps", "to_never", "to_uniform", "faster", "fewer")
    return {
        key: {
            name: interval([r[name] for r in found if (r["model"], r["method"]) == key])
            for name in names
        }
        for key in keys
    }


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the lines of the table."""
    yield (
        "Processor time, one sample at a time, without text encoder and decoder; ± is half the "
        "95 % interval over seeds (Student's t).\n"
    )
    yield (
        "| model | method | computed steps | time per computed step, over that of `never` "
        "| over that of `uniform` | times fewer steps | times less time |"
    )
    yield "| --- " * 7 + "|"
    for (model, method), cell in cells(found).items():
        text = [
            "{:.1f} ± {:.1f}".format(*cell["steps"]),
            *("{:.3f} ± {:.3f}".format(*cell[name]) for name in ("to_never", "to_uniform")),
            *("{:.2f} ± {:.2f}".format(*cell[name]) for name in ("fewer", "faster")),
        ]
        yield f"| {model} | `{method}` | {' | '.join(text)} |"


def draw(found: list[dict[str, Any]]) -> Figure:
    """Draws the time per computed step over that of the run without skipping."""
    figure = Figure(figsize=(5, 2.8), layout="constrained")
    axes = figure.subplots()
    at = list(cells(found).items())
    for i, ((model, _), cell) in enumerate(at):
        mean, half = cell["to_never"]
        axes.errorbar(mean, i, xerr=half, fmt="o", color="C0" if model == at[0][0][0] else "C1")
    axes.axvline(1, color="0.4", lw=0.8)
    axes.set_yticks(range(len(at)), [f"{method}, {model}" for (model, method), _ in at])
    axes.invert_yaxis()
    axes.set_xlabel("time per computed step, over that of never")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
