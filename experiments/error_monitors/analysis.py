"""Ranks local error monitors by the true error of single gaps; see README.md.

Run with `python experiments/error_monitors/analysis.py`. It reads its sizes from
conf/experiment/error_monitors.yaml and writes result.json, table.md and figure.svg.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from fastflow.comparison.compare import two_sets
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.evaluation.bootstrap import half_interval
from fastflow.integration import lagrange
from fastflow.registry.compose import build, read, settings_of
from fastflow.sampling import FlowModel, Recording

OUT = Path("runs/analysis/error_monitors")  # nothing committed is overwritten unless --out says so
SMALL = Path(__file__).parents[1] / "does_it_travel"  # has two more models
MODELS = ("flux_mini", "kontext_mini", "pixel_scenes")
LENGTHS, EVERY = (2, 4), 8  # skipped steps of a gap, and steps between the starts of gaps
BEFORE = ("change", "curvature")  # known before anything is skipped
MONITORS = (*BEFORE, "probe", "mismatch", "landing_correction", "embedded")
TRUTHS = ("local", "local_corrected", "final", "final_corrected")
VIEWS = ("all", "times", "samples")


def main() -> None:
    """Measures every model and seed, and writes what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--seeds", type=int, help="how many, instead of the file's")
    parser.add_argument("--samples", type=int, help="of each seed, instead of the file's")
    parser.add_argument("--steps", type=int, help="instead of the file's")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/error_monitors",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {"settings": sizes(options), "rows": list(rows(options))}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps(found) + "\n")
    text = "\n".join(table(found)) + "\n"
    (options.out / "table.md").write_text(text)
    draw(found).savefig(options.out / "figure.svg", metadata={"Date": None})
    print(text, options.out, sep="\n")


def composed(options: argparse.Namespace, model: str) -> tuple[ComparisonSettings, Any]:
    """Returns the experiment's settings and the model's recipe."""
    words = [
        f"{k}={getattr(options, k)}" for k in ("seeds", "samples", "steps") if getattr(options, k)
    ]
    sys.path.insert(0, str(SMALL))
    from models import MODELS as SMALL_ONES

    known = [] if model in SMALL_ONES else [f"model={model}"]
    config = read(["experiment=error_monitors", *known, *words], "compare", ComparisonSettings)
    recipe = SMALL_ONES[model]() if model in SMALL_ONES else build("model", config["model"])
    return settings_of(config, ComparisonSettings), recipe


def sizes(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings that the table names."""
    settings, _ = composed(options, options.models[0])
    kept = {name: getattr(settings, name) for name in ("seeds", "samples", "steps")}
    return {"models": options.models, **kept}


def rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields a row for each model, seed, gap and sample."""
    for name in options.models:
        settings, recipe = composed(options, name)
        model = recipe.load()
        for number in range(settings.seeds):
            seed = 1000 * number
            requests, _ = two_sets(replace(settings, seed=seed), recipe)
            with torch.inference_mode():
                runs = Trajectories(model, Recording.make(model, requests, settings.max_batch))
                for k, m in gaps(settings.steps):
                    for sample, values in enumerate(runs.gap(k, m)):
                        place = {"model": name, "seed": seed, "step": k, "arm": m}
                        yield place | {"sample": sample} | values
            print(f"{name}, seed {seed}", file=sys.stderr, flush=True)


def gaps(steps: int) -> list[tuple[int, int]]:
    """Returns the last computed step and the length of every gap."""
    every = max(min(EVERY, steps // 6), 1)
    return [(k, m) for k in range(2, steps, every) for m in LENGTHS if k + m + 1 < steps]


class Trajectories:
    """The full runs of some requests, and what single gaps in them do.

    Args:
        model: the loaded model.
        recording: its full runs of the requests.
    """

    def __init__(self, model: FlowModel, recording: Recording):
        self.model = model
        kept = [recording.trajectories[r.index] for r in recording.requests]
        self.problems = [one.problem for one in kept]
        self.grid = self.problems[0].grid
        self.v = [
            torch.cat(parts) for parts in zip(*(one.velocities for one in kept), strict=True)
        ]
        self.signals = [torch.cat(parts) for parts in zip(*(one.signals for one in kept))]
        self.x = [torch.cat([problem.x for problem in self.problems])]
        for k, v in enumerate(self.v):
            self.x.append(model.advance(self.x[-1], v, self.width(k)))

    def width(self, k: int) -> Tensor:
        """Returns the change of sigma in step k, negative."""
        return self.grid.sigmas[k + 1] - self.grid.sigmas[k]

    def at(self, x: Tensor, k: int) -> Tensor:
        """Returns the model's velocities at step k from any positions."""
        times = self.grid.model_times[k].expand(len(self.problems))
        return self.model.velocity(x, times, [problem.conditioning for problem in self.problems])

    def finish(self, x: Tensor, v: Tensor, k: int) -> Tensor:
        """Returns the final latents from positions and velocities at step k."""
        for step in range(k, self.grid.steps):
            v = self.at(x, step) if step > k else v
            x = self.model.advance(x, v, self.width(step))
        return x

    def gap(self, k: int, m: int) -> list[dict[str, float]]:
        """Returns, for each sample, the monitors and the true errors of one gap.

        Args:
            k: the last computed step before the gap; all before it are computed.
            m: the number of skipped steps.
        """
        j, back = k + m + 1, max(min(m + 1, k // 2), 1)
        past = [k, k - back, k - 2 * back]
        skipped = range(k + 1, j)
        guess = self.moved(past[:2], skipped)
        x_hat = self.x[j] - self.moved(skipped, skipped) + guess
        landed = self.at(x_hat, j)
        values: dict[str, Tensor] = self.known_before(past, skipped)
        for source, v_j in (("recorded", self.v[j]), ("live", landed)):
            values |= {f"{source} {n}": e for n, e in self.at_landing(past, skipped, v_j).items()}
        line = self.moved([j, k], skipped, landed)
        x_fixed = x_hat - guess + line
        true, size = self.moved(skipped, skipped), norm(self.x[j])
        values["local"] = norm(guess - true) / size
        values["local_corrected"] = norm(line - true) / size
        ends = {"final": x_hat, "final_corrected": x_fixed}  # both go on with the landing's v
        for name, x in ends.items():
            end = self.finish(x, landed, j)
            values[name] = norm(end - self.x[-1]) / norm(self.x[-1])
        return [
            {name: float(value[i]) for name, value in values.items()}
            for i in range(len(self.problems))
        ]

    def moved(
        self, nodes: Sequence[int], skipped: Sequence[int], first: Tensor | None = None
    ) -> Tensor:
        """Returns how far the skipped steps move x, by the polynomial through some steps.

        Through the skipped steps themselves it is how far the full run moves.

        Args:
            nodes: the steps whose velocities the polynomial passes through.
            skipped: the skipped steps.
            first: the velocity at the first node, if it is not the recorded one.
        """
        sigma = self.grid.sigma
        held = [self.v[node] for node in nodes]
        if first is not None:
            held[0] = first
        total = torch.zeros_like(held[0])
        for i in skipped:
            weights = lagrange([sigma[node] for node in nodes], sigma[i])
            total += self.width(i) * sum(w * v for w, v in zip(weights, held, strict=True))
        return total

    def known_before(self, past: Sequence[int], skipped: Sequence[int]) -> dict[str, Tensor]:
        """Returns the monitors that need no velocity of the landing."""
        k, p, _ = past
        j, sigma, v = skipped[-1] + 1, self.grid.sigma, self.v
        ahead = abs(sigma[j] - sigma[k]) / abs(sigma[k] - sigma[p])
        bend = self.moved(past, skipped) - self.moved(past[:2], skipped)
        found = {
            "change": ahead * norm(v[k] - v[p]) / norm(v[k]),
            "curvature": norm(bend) / norm(self.x[k]),
        }
        if self.signals:
            now, last = self.signals[j].flatten(1), self.signals[k].flatten(1)
            found["probe"] = (now - last).abs().mean(1) / last.abs().mean(1)
        return found

    def at_landing(
        self, past: Sequence[int], skipped: Sequence[int], v_j: Tensor
    ) -> dict[str, Tensor]:
        """Returns the monitors that look at the velocity of the landing."""
        k, p, _ = past
        j, sigma = skipped[-1] + 1, self.grid.sigma
        a, b = lagrange([sigma[k], sigma[p]], sigma[j])
        line = self.moved([j, k], skipped, v_j)
        bent = self.moved([j, k, p], skipped, v_j)
        size = norm(self.x[j])
        return {
            "mismatch": norm(a * self.v[k] + b * self.v[p] - v_j) / norm(v_j),
            "landing_correction": norm(line - self.moved(past[:2], skipped)) / size,
            "embedded": norm(bent - line) / size,
        }


def norm(x: Tensor) -> Tensor:
    """Returns the length of each sample, ``(B,)``."""
    return x.flatten(1).double().norm(dim=1)


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns the rank correlation of two lists without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(np.stack(ranks))[0, 1])


def correlation(found: Sequence[dict[str, Any]], monitor: str, truth: str, view: str) -> float:
    """Returns the rank correlation of a monitor with an error in the rows of one seed.

    Args:
        found: the rows.
        monitor: the key of the monitor.
        truth: the key of the error.
        view: ``all``: over gaps and samples; ``times``: over gaps, of means over samples, as a
            schedule for all samples would use it; ``samples``: over the samples of a gap, the
            mean over gaps, as a decision for each sample would.
    """
    if view == "all":
        return spearman([r[monitor] for r in found], [r[truth] for r in found])
    places = sorted({(r["step"], r["arm"]) for r in found})
    at = [[r for r in found if (r["step"], r["arm"]) == place] for place in places]
    pairs = [[[r[key] for r in some] for key in (monitor, truth)] for some in at]
    if view == "times":
        return spearman(
            [float(np.mean(a)) for a, _ in pairs], [float(np.mean(b)) for _, b in pairs]
        )
    return float(np.mean([spearman(a, b) for a, b in pairs]))


def monitors(found: Sequence[dict[str, Any]]) -> list[str]:
    """Returns the keys of the monitors that the rows have, in the order of the table."""
    keys = [key for name in MONITORS for key in (name, f"recorded {name}", f"live {name}")]
    return [key for key in keys if key in found[0]]


def over_seeds(
    found: Sequence[dict[str, Any]], monitor: str, truth: str, view: str
) -> tuple[float, float]:
    """Returns the mean over seeds and half the width of its 95 % interval (Student's t)."""
    seeds = sorted({r["seed"] for r in found})
    values = [
        correlation([r for r in found if r["seed"] == seed], monitor, truth, view)
        for seed in seeds
    ]
    return float(np.mean(values)), half_interval(values)


def table(found: dict[str, Any]) -> Iterator[str]:
    """Yields the lines of the table: a section for each model and view."""
    s = found["settings"]
    titles = {
        "all": "over gaps and samples",
        "times": "over gaps, means over samples",
        "samples": "over the samples of a gap, mean over gaps",
    }
    yield (
        f"Rank correlation of a monitor with the error of a gap, mean of {s['seeds']} seeds with "
        f"half its 95 % interval (Student's t over seeds); {s['samples']} samples a seed, "
        f"{s['steps']} steps."
    )
    for model in s["models"]:
        some = [r for r in found["rows"] if r["model"] == model]
        for view in VIEWS:
            yield f"\n### {model}, {titles[view]}\n"
            yield f"| monitor | {' | '.join(t.replace('_', ', ') for t in TRUTHS)} |"
            yield "| --- " * (1 + len(TRUTHS)) + "|"
            for key in monitors(some):
                cells = (over_seeds(some, key, truth, view) for truth in TRUTHS)
                text = " | ".join(f"{mean:.2f} ± {half:.2f}" for mean, half in cells)
                yield f"| {key.replace('_', ' ')} | {text} |"


def draw(found: dict[str, Any]) -> Figure:
    """Draws the correlation of each monitor with the final errors, a panel for each model."""
    names = found["settings"]["models"]
    figure = Figure(figsize=(4.5 * len(names), 3.6), layout="constrained")
    for axes, model in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        some = [r for r in found["rows"] if r["model"] == model]
        keys = [key for key in monitors(some) if not key.startswith("recorded")]
        for i, (view, mark) in enumerate(zip(VIEWS, "os^", strict=True)):
            for j, truth in enumerate(TRUTHS[2:]):
                means, halves = zip(*(over_seeds(some, key, truth, view) for key in keys))
                places = np.arange(len(keys)) + 0.12 * i + 0.4 * j
                label = f"{view}, {truth.replace('_', ', ')}"
                face = {"markerfacecolor": "white"} if j == 0 else {}
                axes.errorbar(
                    means, places, xerr=halves, fmt=mark, ms=4, color=f"C{i}", label=label, **face
                )
        axes.set_yticks(np.arange(len(keys)) + 0.3, [k.replace("_", " ") for k in keys])
        axes.set(title=model, xlabel="rank correlation with the final error", xlim=(-1.05, 1.05))
        axes.axvline(0, color="0.6", lw=0.8)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(fontsize=6, loc="lower left")
    return figure


if __name__ == "__main__":
    main()
