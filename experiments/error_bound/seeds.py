"""Fits the bound's exponents for several models and seeds, with intervals; see README.md.

Run with `python experiments/error_bound/seeds.py`. It reads its sizes from
conf/experiment/error_bound.yaml and writes seeds.json, table.md and figure.svg.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from analysis import fit, gaps, scattered
from matplotlib.figure import Figure
from torch import Tensor

from fastflow import Grid, Request
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.evaluation.bootstrap import half_interval
from fastflow.integration import NoCorrection, Reuse, Scheme, flow
from fastflow.registry.compose import read, settings_of
from fastflow.sampling import FlowModel
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.models import Mixture
from fastflow_plugins.policies import Schedule

OUT = Path("runs/analysis/error_bound")  # nothing committed is overwritten unless --out says so
TRAINED = Path(__file__).parents[1] / "does_it_travel"  # has two trained models
SPREADS = {"smooth": 0.5, "stiff": 0.15}  # of the mixture
SCHEMES = {
    "reuse": Scheme(Reuse(), NoCorrection()),
    "linear": Scheme(Linear(), NoCorrection()),
    "linear + 1": Scheme(Linear(), Interpolate()),
    "linear + 2": Scheme(Linear(), Interpolate(order=2)),
}
THEORY = {"reuse": (2, 1), "linear": (3, 2), "linear + 1": (3, 2), "linear + 2": (4, 3)}
"""The exponents of 1/T that theory has: with |S| fixed, and for a fixed share."""

FIXED, SHARE, MORE = "T, |S| fixed", "T, |S| = T/4", "|S|, more gaps"


def main() -> None:
    """Measures every model and seed, fits, and writes what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=[*SPREADS, "digits", "pixel_scenes"])
    parser.add_argument("--seeds", type=int, help="how many, instead of the file's")
    parser.add_argument("--samples", type=int, help="of each seed, instead of the file's")
    parser.add_argument("--largest", type=int, default=256, help="the largest number of steps")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/error_bound",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    words = [f"{k}={getattr(options, k)}" for k in ("seeds", "samples") if getattr(options, k)]
    config = read(["experiment=error_bound", *words], "compare", ComparisonSettings)
    settings = settings_of(config, ComparisonSettings)
    found = [
        {"model": name, "seed": 1000 * i} | row
        for name in options.models
        for i in range(settings.seeds)
        for row in measured(Noises.of(name, 1000 * i, settings.samples), options.largest)
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "seeds.json").write_text(json.dumps(found) + "\n")
    text = "\n".join(table(found)) + "\n"
    (options.out / "table.md").write_text(text)
    draw(found).savefig(options.out / "figure.svg", metadata={"Date": None})
    print(text, options.out, sep="\n")


@dataclass(frozen=True)
class Noises:
    """A model in float64, with noises as one batch.

    Args:
        model: the loaded model.
        x: the noises, ``(B, ...)``.
        conditioning: an entry for each noise.
    """

    model: FlowModel
    x: Tensor
    conditioning: list[Any]

    @classmethod
    def of(cls, name: str, seed: int, count: int) -> Noises:
        """Loads a model, a mixture or one of does_it_travel, and draws its noises."""
        sys.path.insert(0, str(TRAINED))
        from models import MODELS

        recipe = Mixture(spread=SPREADS[name]) if name in SPREADS else MODELS[name]()
        model = recipe.load(dtype="float64")
        prompts = recipe.prompts(count)
        asked = [Request(i, prompts[i % len(prompts)].text, seed + i) for i in range(count)]
        problems = [model.prepare(request) for request in asked]
        noises = torch.cat([problem.x for problem in problems]).double()
        return cls(model, noises, [problem.conditioning for problem in problems])

    @torch.inference_mode()
    def end(self, steps: int, skipped: frozenset[int], how: str) -> Tensor:
        """Returns where the noises end on an even grid if these steps are skipped."""
        grid = Grid(torch.linspace(1, 0, steps + 1, dtype=torch.float64))
        episode = Schedule(frozenset(range(steps)) - skipped)
        loop, step = flow(self.x, grid, SCHEMES[how], episode), None
        try:
            step = next(loop)
            while True:
                times = grid.model_times[step.k].expand(len(self.x))
                asked = step.wants_model()
                v = self.model.velocity(step.x, times, self.conditioning) if asked else None
                step = loop.send((step.x, v, exact))
        except StopIteration as stop:
            return stop.value.x


def exact(x: Tensor, v: Tensor, dsigma: Tensor) -> Tensor:
    """Returns x after an Euler step, in float64 to the end."""
    return x + dsigma.double() * v


def measured(noises: Noises, largest: int) -> Iterator[dict[str, Any]]:
    """Yields a row for each study, method and number of steps: the relative distance."""
    sizes = [t for t in (64, 128, 256, 512) if t <= largest]
    studies = [(FIXED, t, (gaps(t, 2, 3),)) for t in sizes]
    studies += [(SHARE, t, (gaps(t, t // 8, 2),)) for t in sizes]
    studies += [(MORE, 128, scattered(128, n, 2)) for n in (2, 4, 8)]
    full = {t: noises.end(t, frozenset(), "reuse") for t in {t for _, t, _ in studies}}
    for study, steps, draws in studies:
        for how in SCHEMES:
            apart = [distance(noises.end(steps, one, how), full[steps]) for one in draws]
            error = float(np.sqrt(np.mean(np.square(apart))))
            place = {"study": study, "method": how, "steps": steps}
            yield place | {"skipped": len(draws[0]), "error": error}


def distance(a: Tensor, b: Tensor) -> float:
    """Returns the root mean square of the relative L2 distances of ``(B, ...)``."""
    apart = (a - b).flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1)
    return float(apart.square().mean().sqrt())


def exponents(found: Sequence[dict[str, Any]], model: str, study: str, how: str) -> list[float]:
    """Returns the fitted exponent of each seed: of |S| for more gaps, else of 1/T."""
    name = "a" if study == MORE else "b"
    some = [r for r in found if (r["model"], r["study"], r["method"]) == (model, study, how)]
    seeds = sorted({row["seed"] for row in some})
    return [fit([row for row in some if row["seed"] == seed])[name] for seed in seeds]


def interval(values: Sequence[float]) -> str:
    """Returns the mean with half of its 95 % interval, Student's t over the seeds."""
    if len(values) < 2:
        return f"{np.mean(values):.2f}"
    return f"{np.mean(values):.2f} ± {half_interval(values):.2f}"


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the lines of the table: the exponents of every model and method."""
    yield (
        "Fitted exponents of `distance = C |S|^a / T^b`; ± is half the 95 % interval over "
        "seeds (Student's t). In brackets what theory has.\n"
    )
    yield "| model | method | b, &#124;S&#124; fixed | b, &#124;S&#124; = T/4 | a, more gaps |"
    yield "| --- " * 5 + "|"
    for model in dict.fromkeys(row["model"] for row in found):
        for how in SCHEMES:
            fixed, share, more = (
                interval(exponents(found, model, study, how)) for study in (FIXED, SHARE, MORE)
            )
            a, b = THEORY[how]
            yield f"| {model} | {how} | {fixed} ({a}) | {share} ({b}) | {more} (at most 1) |"


def draw(found: list[dict[str, Any]]) -> Figure:
    """Draws the distance over T with |S| fixed, a panel for each model, a line for each seed."""
    models = list(dict.fromkeys(row["model"] for row in found))
    figure = Figure(figsize=(3.2 * len(models), 3.2), layout="constrained")
    panels = figure.subplots(1, len(models), squeeze=False, sharey=True)[0]
    for axes, model in zip(panels, models, strict=True):
        for i, how in enumerate(SCHEMES):
            some = [r for r in found if (r["model"], r["study"]) == (model, FIXED)]
            some = [r for r in some if r["method"] == how]
            for j, seed in enumerate(sorted({row["seed"] for row in some})):
                of = [row for row in some if row["seed"] == seed]
                points = [row["steps"] for row in of], [row["error"] for row in of]
                label = how if j == 0 else None
                axes.loglog(*points, ".-", color=f"C{i}", lw=0.8, label=label)
        axes.set_xscale("log", base=2)
        axes.set(title=model, xlabel="T")
    panels[0].set_ylabel("relative distance, |S| = 6")
    panels[-1].legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main()
