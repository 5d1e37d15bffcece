"""Regret of bandits against the oracle plan, as network calls are spent; see README.md.

Run with `python experiments/regret/analysis.py`. It writes result.json, table.md and figure.svg.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from fastflow.comparison.compare import two_sets
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.tuning import Search, replayed
from fastflow.evaluation import Bench
from fastflow.integration import Scheme
from fastflow.planning import OptimalSchedule
from fastflow.registry.compose import build, build_listed, read, settings_of
from fastflow.sampling import Recording, Request, Sample, Sampler
from fastflow_plugins.methods import Skipping
from fastflow_plugins.policies import Listed

OUT = Path("runs/analysis/regret")  # nothing committed is overwritten unless --out says so
POLICIES = ("ucb", "epsilon_greedy", "thompson", "path", "random_arms", "plan", "halving")
MODELS = ("flux_mini", "kontext_mini")
CHECKS = (1, 2, 9, 17, 33)  # after so many samples of the stream the memory is tried
TUNED = 12  # trajectories on which a method without `computed_steps` is tuned


@dataclass
class Stage:
    """One model with one seed: a stream to learn from, samples to try on, and their references.

    Args:
        bench: the model, and recorded trajectories of the first samples of the stream.
        stream: the requests that a policy learns from, in this order.
        tried: other requests, the same at every check.
        full: the latents of their full runs.
        oracle: the error of the oracle plan on each of them, in dB.
    """

    bench: Bench
    stream: list[Request]
    tried: list[Request]
    full: dict[int, torch.Tensor]
    oracle: np.ndarray


def main() -> None:
    """Runs every policy on every model and seed, and writes what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--target", type=int, default=19)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the number of the first seed")
    parser.add_argument("--samples", type=int, default=33, help="of the stream")
    parser.add_argument("--tried", type=int, default=12, help="other samples, at every check")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/regret",
    )
    parser.add_argument("--join", type=Path, nargs="+", help="folders of parts that are made")
    options = parser.parse_args()
    if options.join:
        options.out.mkdir(parents=True, exist_ok=True)
        write(
            joined([json.loads((p / "result.json").read_text()) for p in options.join]),
            options.out,
        )
        return
    found: dict[str, Any] = {
        "settings": {k: v for k, v in vars(options).items() if k not in ("out", "join")}
    }
    parts_of = tqdm(rows(options), total=len(options.models) * options.seeds)
    found["rows"] = [row for part in parts_of for row in part]
    options.out.mkdir(parents=True, exist_ok=True)
    write(found, options.out)
    print(options.out)


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the results of runs that differ in their models or seeds as those of one run.

    Raises:
        SystemExit: if they differ in another setting.
    """
    free = ("models", "seeds", "first", "join")
    kept = [{k: v for k, v in part["settings"].items() if k not in free} for part in parts]
    if any(settings != kept[0] for settings in kept):
        raise SystemExit("--join takes parts that differ in their models and seeds alone.")
    rows = [row for part in parts for row in part["rows"]]
    models = list(dict.fromkeys(row["model"] for row in rows))
    seeds = len({row["seed"] for row in rows})
    return {"settings": kept[0] | {"models": models, "seeds": seeds}, "rows": rows}


def write(found: dict[str, Any], out: Path) -> None:
    """Writes the rows, the table and the figure."""
    (out / "result.json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join(table(found)) + "\n"
    (out / "table.md").write_text(text)
    draw(found).savefig(out / "figure.svg", metadata={"Date": None})
    print(text)


def rows(options: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Yields the rows of each model and seed: one for each policy and check."""
    for model in options.models:
        for seed in range(options.first, options.first + options.seeds):
            words = [
                f"model={model}",
                f"methods=[{','.join(options.policies)}]",
                f"samples={options.tried}",
                f"tuning={options.samples}",
                f"seed={1000 * seed}",
            ]
            config = read(words, "compare", ComparisonSettings)
            settings = settings_of(config, ComparisonSettings)
            methods = build_listed(config | {"methods": options.policies}, "methods")
            stage = staged(build("model", config["model"]), settings, options.target)
            yield [
                {"model": model, "seed": seed, "policy": name, **check}
                for name, method in methods.items()
                for check in learning(method, stage, options.target)
            ]


def staged(model: Any, settings: ComparisonSettings, target: int) -> Stage:
    """Makes the full runs and the oracle plan, which is made from the tried samples themselves."""
    tried, stream = two_sets(settings, model)
    loaded = model.load()
    full = Sampler(loaded, build("policy", {"component": "never"}), *parts())
    reference = {s.request.index: latents(s) for s in full.generate(tried)}
    recorded = Recording.make(loaded, tried, 8)
    tuned = Recording.make(loaded, stream[:TUNED], 8)
    bench = Bench(loaded, settings.steps, tuned, seed=settings.seed)
    scale = np.einsum("sii->s", recorded.grams) / settings.steps
    search = OptimalSchedule(
        recorded.grams / scale[:, None, None], loaded.grid(settings.steps), Scheme(*parts()), 6
    )
    oracle = Sampler(loaded, Listed(steps=search.best(target)[0]), *parts())
    stage = Stage(bench, stream, tried, reference, np.zeros(len(tried)))
    stage.oracle = errors(oracle.generate(tried), stage)
    return stage


def parts() -> tuple[Any, Any]:
    """Returns the extrapolator and the corrector of all policies."""
    method = Skipping()
    return method.extrapolator, method.corrector


def learning(method: Skipping, stage: Stage, target: int) -> Iterator[dict[str, Any]]:
    """Lets a policy learn from the stream, and yields how far it is at every check."""
    value = Search(method.knob, replayed(method, stage.bench)).find(target)
    turned = method.at(value)
    assert isinstance(turned, Skipping)
    components = turned.policy, turned.extrapolator, turned.corrector
    sampler = Sampler(stage.bench.model, *components, seed=stage.bench.seed)
    calls = seen = 0
    full = stage.bench.tuning.calls / len(stage.bench.tuning.requests)
    for batch in sampler.batches(stage.stream, at_most=8):
        calls += sum(sample.calls for sample in sampler.run(batch))
        before, seen = seen, seen + len(batch)
        due = any(before < number <= seen for number in CHECKS)
        if due and (found := check(sampler, stage)):
            tried = sampler.memory.learning_calls if sampler.memory else 0
            yield {"samples": seen, "spent": (calls + tried) / full, **found}


def check(sampler: Sampler, stage: Stage) -> dict[str, Any]:
    """Returns how a memory fares on the tried samples; nothing while it skips nothing."""
    tried = Sampler(
        sampler.model,
        sampler.policy,
        sampler.extrapolator,
        sampler.corrector,
        copy.deepcopy(sampler.memory),
        sampler.seed,
    )
    (first,) = tried.generate(stage.tried[:1])
    if len(first.computed) == first.request.steps:
        return {}
    samples = [first, *tried.generate(stage.tried[1:])]
    error = errors(samples, stage)
    return {
        "steps": float(np.mean([len(sample.computed) for sample in samples])),
        "error": float(error.mean()),
        "regret": float((error - stage.oracle).mean()),
    }


def errors(samples: Sequence[Sample] | Iterator[Sample], stage: Stage) -> np.ndarray:
    """Returns the relative errors of the latents in dB, in the order of the requests."""
    found = {}
    for sample in samples:
        full = stage.full[sample.request.index]
        apart = (latents(sample) - full).norm() / full.norm()
        found[sample.request.index] = 20 * float(torch.log10(apart + 1e-7))
    return np.array([found[request.index] for request in stage.tried])


def latents(sample: Sample) -> torch.Tensor:
    """Returns the final latents in float64.

    Raises:
        ValueError: if the sample has none.
    """
    if sample.x is None:
        raise ValueError(f"sample {sample.request.index} failed: {sample.failure}.")
    return sample.x.double()


def table(found: dict[str, Any]) -> Iterator[str]:
    """Yields the lines of the table: the regret at the first, a middle and the last check."""
    settings = found["settings"]
    yield (
        f"Regret in dB of the latents' error, mean over {settings['seeds']} seeds (the lowest to "
        f"the highest), after the full runs' worth of calls in brackets; {settings['target']} of "
        "50 computed steps.\n"
    )
    yield "| model | policy | computed steps | first | middle | last |"
    yield "| --- " * 6 + "|"
    for model in settings["models"]:
        for policy in settings["policies"]:
            points = curve(found, model, policy)
            shown = [points[0], points[len(points) // 2], points[-1]]
            cells = [
                f"{p['regret']:.1f} ({p['low']:.1f} to {p['high']:.1f}) [{p['spent']:.1f}]"
                for p in shown
            ]
            yield f"| {model} | `{policy}` | {points[-1]['steps']:.1f} | {' | '.join(cells)} |"


def curve(found: dict[str, Any], model: str, policy: str) -> list[dict[str, float]]:
    """Returns the means over seeds at each check of a policy."""
    rows = [r for r in found["rows"] if (r["model"], r["policy"]) == (model, policy)]
    points = []
    for samples in sorted({row["samples"] for row in rows}):
        at = [row for row in rows if row["samples"] == samples]
        regret = [row["regret"] for row in at]
        means = {k: float(np.mean([r[k] for r in at])) for k in ("spent", "steps", "regret")}
        points.append(means | {"low": min(regret), "high": max(regret)})
    return points


def draw(found: dict[str, Any]) -> Figure:
    """Draws the regret of each policy over the calls that it has spent."""
    models = found["settings"]["models"]
    figure = Figure(figsize=(5 * len(models), 4), layout="constrained")
    for axes, model in zip(figure.subplots(1, len(models), squeeze=False)[0], models, strict=True):
        for i, policy in enumerate(found["settings"]["policies"]):
            points = curve(found, model, policy)
            spent, regret, low, high = (
                [p[name] for p in points] for name in ("spent", "regret", "low", "high")
            )
            axes.plot(spent, regret, marker="o", ms=3, label=policy, color=f"C{i}")
            axes.fill_between(spent, low, high, color=f"C{i}", alpha=0.12, lw=0)
        axes.axhline(0, color="0.4", lw=0.8)
        axes.set(title=model, xlabel="calls spent, in full runs", ylabel="regret, dB")
        axes.set_xscale("log")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(fontsize=8)
    return figure


if __name__ == "__main__":
    main()
