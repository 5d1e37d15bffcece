"""Whether a plan of its own would help each sample: the oracle, its own run, and `replan`.

Run: ``python experiments/per_sample_plans/analysis.py``. Writes result.json and table.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fastflow import Request, Sampler
from fastflow.integration import MeanGram, Reuse, Scheme
from fastflow.planning import EARLY, POWER, LinearPlan, Planner
from fastflow.policies import Follow, Policy
from fastflow.registry import preset
from fastflow.sampling import Model, Recording, Sample, reference_sampler
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear, Quadratic
from fastflow_plugins.metrics import Fidelity
from fastflow_plugins.policies import Replan

OUT = Path("runs/analysis/per_sample_plans")  # nothing committed is overwritten unless told
LINEAR = Scheme(Linear(), Interpolate())
ORDERS = (Scheme(Reuse(), Interpolate()), LINEAR, Scheme(Quadratic(), Interpolate(order=2)))


def requests(model: Model, count: int, seed: int) -> list[Request]:
    """Returns requests for the model's own prompts, with noise from ``seed`` on."""
    prompts = model.prompts(count)
    return [
        Request(i, prompts[i % len(prompts)].text, seed + i, image=prompts[i % len(prompts)].image)
        for i in range(count)
    ]


def psnrs(samples: Sequence[Sample], references: dict[int, Sample]) -> np.ndarray:
    """Returns the PSNR of each sample to its reference run in dB, by index; 99 if identical."""
    ordered = sorted(samples, key=lambda sample: sample.request.index)
    found = [
        Fidelity().compare(s.output, references[s.request.index].output)["psnr_db"]
        for s in ordered
    ]
    return np.minimum(found, 99.0)


def measure(name: str, budgets: Sequence[int], learn: int, measured: int, seed: int) -> list[dict]:
    """Runs every candidate plan, and each sample's own plan, on the measured samples."""
    recipe = preset("model", name)
    model = recipe.load()
    asked = requests(recipe, learn + measured, seed)
    mean, grid = MeanGram(), model.grid(asked[0].steps)
    for gram in Recording.make(model, asked[:learn], 16, keep_signals=False).grams:
        mean.add(gram)
    own = Recording.make(model, asked[learn:], 16, keep_signals=False)
    references = {
        s.request.index: s for s in reference_sampler(model, max_batch=16).generate(asked[learn:])
    }

    def run(policy: Policy, some: Sequence[Request]) -> list[Sample]:
        sampler = Sampler(model, policy, *LINEAR[:2], max_batch=16)
        sampler.memory = sampler.empty_memory(grid.steps)
        sampler.memory.gram.merge(mean)
        sampler.memory.freeze()
        return list(sampler.generate(some))

    def follow(plan: LinearPlan, some: Sequence[Request]) -> np.ndarray:
        return psnrs(run(Follow(plan=plan), some), references)

    rows = []
    for budget in tqdm(budgets, desc=name):
        shared = Planner(mean.matrix, grid, LINEAR, orders=ORDERS)
        plans = shared.candidates(budget)
        table = np.stack([follow(plan, own.requests) for plan in plans.values()])
        alone = []
        for request, gram in zip(own.requests, own.grams, strict=True):
            planner = Planner(gram / np.diag(gram).mean(), grid, LINEAR)
            plan = planner.fitted(planner.nodes(budget, POWER, early=EARLY))
            alone.append(follow(plan, [request])[0])
        replanned = psnrs(run(Replan(computed_steps=budget), own.requests), references)
        gain = replanned - table[0]
        best = int(table.mean(1).argmax())
        top = table[np.argsort(-table.mean(1))[:4]]
        rows.append(
            {
                "model": name,
                "computed_steps": budget,
                "plans": len(table),
                "best_plan_db": float(table[best].mean()),
                "oracle_db": float(table.max(0).mean()),
                "oracle_of_four_db": float(top.max(0).mean()),
                "default_db": float(table[0].mean()),
                "own_plan_db": float(np.mean(alone)),
                "replan_db": float(replanned.mean()),
                "replan_gain_db": float(gain.mean()),
                "replan_gain_error_db": float(gain.std(ddof=1) / np.sqrt(len(gain))),
                "within_1_db": float((table[best] >= table.max(0) - 1).mean()),
            }
        )
    return rows


def as_table(rows: Sequence[dict]) -> str:
    """Returns the rows as a Markdown table."""
    head = (
        "| model | computed steps | plans | best shared plan | oracle of all | oracle of the best "
        "four | default plan | `replan` | over the default plan | each sample's own plan "
        "| best plan within 1 dB |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    lines = [
        f"| {r['model']} | {r['computed_steps']} | {r['plans']} | {r['best_plan_db']:.1f} "
        f"| {r['oracle_db']:.1f} | {r['oracle_of_four_db']:.1f} | {r['default_db']:.1f} "
        f"| {r['replan_db']:.1f} "
        f"| {r['replan_gain_db']:+.1f} ± {r['replan_gain_error_db']:.1f} "
        f"| {r['own_plan_db']:.1f} | {100 * r['within_1_db']:.0f} % |"
        for r in rows
    ]
    return "\n".join([head, *lines]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["flux_mini", "hunyuan_video_mini"])
    parser.add_argument("--budgets", nargs="+", type=int, default=[19, 10])
    parser.add_argument("--learn", type=int, default=8)
    parser.add_argument("--measured", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7000)
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/per_sample_plans",
    )
    a = parser.parse_args()
    rows = [
        row for name in a.models for row in measure(name, a.budgets, a.learn, a.measured, a.seed)
    ]
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "result.json").write_text(json.dumps(rows, indent=1) + "\n")
    (a.out / "table.md").write_text(as_table(rows))
    print(f"{as_table(rows)}\n{a.out}")


if __name__ == "__main__":
    main()
