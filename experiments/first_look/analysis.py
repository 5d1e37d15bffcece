"""Compares ways to skip on flux_mini at about the same number of calls; see README.md.

Run with `python experiments/first_look/analysis.py`; writes result.json, table.md and figure.svg
beside itself (`--out` for another folder).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import fastflow
from fastflow.evaluation.bootstrap import bootstrap_mean
from fastflow.integration.corrector import NoCorrection
from fastflow.integration.extrapolator import Reuse
from fastflow.policies.reward import Paper
from fastflow.registry.compose import preset
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear, Nudge
from fastflow_plugins.metrics.fidelity import Fidelity
from fastflow_plugins.metrics.scenes import Scenes
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.random_arms import RandomArms
from fastflow_plugins.policies.released import Released
from fastflow_plugins.policies.static import Every
from fastflow_plugins.policies.ucb import UCB

HERE = Path(__file__).parent
STEPS, CALLS = 50, 19
SHOWN = "ucb (ours)"


@dataclass(frozen=True)
class Method:
    """One row: a policy with its extrapolator, run with and without correction."""

    name: str
    policy: fastflow.Policy
    extrapolator: fastflow.Extrapolator = Linear()
    steps: int = STEPS
    corrections: tuple[fastflow.Corrector, ...] = (NoCorrection(), Interpolate())
    freeze: bool = False


def methods() -> list[Method]:
    """Returns the rows; where there is a knob, it is set for about 19 of 50 calls."""
    paper = UCB(gamma=2.0, reward=Paper(), update_every=1)
    return [
        Method("ucb (ours)", UCB()),
        Method("ucb (ours), frozen", UCB(), freeze=True),
        Method("ucb_paper", paper),
        Method("ucb_paper, frozen", paper, freeze=True),
        Method("ucb_paper, gamma = 0", replace(paper, gamma=0.0)),
        Method("ucb_released", Released(), Nudge()),
        Method("random_arms 0 2 4 6", RandomArms()),
        Method("random_arms 0 1 2 4", RandomArms(arms=(0, 1, 2, 4))),
        Method("every third, linear", Every(interval=3)),
        Method("every third, reuse", Every(interval=3), Reuse()),
        Method("fewer Euler steps", Never(), steps=CALLS, corrections=(NoCorrection(),)),
    ]


def main() -> None:
    """Runs every method on the same prompts and noise and writes what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=128, help="learned from and measured on")
    parser.add_argument("--measured", type=int, default=64, help="the last ones, that count")
    parser.add_argument("--only", default="", help="measure methods named so anew, keep others")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    adapter = preset("model", "flux_mini")
    model = adapter.load()
    prompts = adapter.prompts(options.samples)
    requests = [
        fastflow.Request(i, prompt, i, STEPS, task=task)
        for i, (prompt, task) in enumerate(prompts)
    ]
    full = run(Method("full", Never(), corrections=()), NoCorrection(), model, requests)[0]
    rows = [row("full", "", full, full, options.measured, None)]
    chosen = [m for m in methods() if m.name.startswith(options.only)]
    todo = [(m, c) for m in chosen for c in m.corrections]
    for method, corrector in tqdm(todo, desc="methods"):
        samples, memory = run(method, corrector, model, requests)
        name = "" if isinstance(corrector, NoCorrection) else "interpolate"
        rows.append(row(method.name, name, samples, full, options.measured, memory))
        if method.name == SHOWN and name:
            show(full, samples, options.out / "pictures.png")
    if options.only:
        rows = merged(json.loads((options.out / "result.json").read_text())["rows"], rows)
    result = {"samples": len(requests), "measured": options.measured, "rows": rows}
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    table = markdown(rows) + "\n" + markdown_rewards(rows)
    (options.out / "table.md").write_text(table)
    draw(rows, options.out / "figure.svg")
    print(table)


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the old rows, those measured anew replaced."""
    fresh = {(r["method"], r["corrector"]): r for r in new}
    return [fresh.get((r["method"], r["corrector"]), r) for r in old]


def run(method: Method, corrector, model, requests):
    """Returns the samples, by index, and the memory they left."""
    sampler = fastflow.Sampler(model, method.policy, method.extrapolator, corrector, max_batch=16)
    asked = [replace(request, steps=method.steps) for request in requests]
    samples = list(sampler.run(asked))
    if method.freeze:
        sampler.memory.freeze()
        samples = list(sampler.run(asked))
    return {sample.request.index: sample for sample in samples}, sampler.memory


def row(name: str, corrector: str, samples, full, measured: int, memory) -> dict[str, Any]:
    """Measures the last samples of a method against their full runs."""
    last = sorted(samples)[-measured:]
    psnr, ssim, score = [], [], []
    for i in last:
        close = Fidelity().compare(samples[i].output, full[i].output)
        psnr.append(min(close["psnr_db"], 99.0))
        ssim.append(close["ssim"])
        score.append(Scenes().score(samples[i].output, samples[i].request)["score"])
    lost = [
        s - Scenes().score(full[i].output, full[i].request)["score"] for s, i in zip(score, last)
    ]
    calls = [samples[i].calls for i in last]
    found = {
        "method": name,
        "corrector": corrector,
        "calls": float(np.mean(calls)),
        "speedup": STEPS * model_calls(full) / float(np.mean(calls)),
        "psnr_db": bootstrap_mean(psnr),
        "psnr_worst": min(psnr),
        "ssim": float(np.mean(ssim)),
        "score": float(np.mean(score)),
        "score_lost": bootstrap_mean(lost),
        "arm_shares": shares([samples[i] for i in last]),
    }
    constants = getattr(memory, "constants", None)
    if constants is not None:
        found["constants"] = constants
        found["reward"] = rewards(memory)
    return found


def model_calls(full) -> float:
    """Returns the network calls of one computed step (2 with true guidance)."""
    return full[0].calls / STEPS


def shares(samples) -> dict[str, float]:
    """Returns how often each skip length occurred, as shares of all computed steps."""
    counts = Counter(arm for sample in samples for arm in sample.arms)
    total = sum(counts.values())
    return {str(arm): counts[arm] / total for arm in sorted(counts)}


def rewards(memory) -> dict[str, list[float]]:
    """Returns, per arm, the mean and the spread of its rewards over all steps and samples."""
    table = memory.reward
    found = {}
    for column, arm in enumerate(memory.arms):
        n = table.count[:, column]
        if n.sum():
            mean = float((n * table.mean[:, column]).sum() / n.sum())
            square = table.m2[:, column] + n * (table.mean[:, column] - mean) ** 2
            found[str(arm)] = [mean, math.sqrt(square.sum() / n.sum()), int(n.sum())]
    return found


def markdown(rows: list[dict[str, Any]]) -> str:
    """Returns the table of README.md."""
    lines = [
        "| method | correction | calls | speed-up | PSNR, dB (95 %) | worst | SSIM | score "
        "| score lost (95 %) | skip lengths, % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        psnr, lost = r["psnr_db"], r["score_lost"]
        shares = " ".join(f"{arm}:{100 * share:.0f}" for arm, share in r["arm_shares"].items())
        exact = r["method"] == "full"
        fidelity = "identical" if exact else f"{psnr[0]:.1f} ({psnr[1]:.1f} to {psnr[2]:.1f})"
        worst = "" if exact else f"{r['psnr_worst']:.1f}"
        lines.append(
            f"| {r['method']} | {r['corrector'] or '-'} | {r['calls']:.1f} | {r['speedup']:.2f} "
            f"| {fidelity} | {worst} | {r['ssim']:.4f} | {r['score']:.3f} "
            f"| {lost[0]:+.3f} ({lost[1]:+.3f} to {lost[2]:+.3f}) | {shares} |"
        )
    return "\n".join(lines) + "\n"


def markdown_rewards(rows: list[dict[str, Any]]) -> str:
    """Returns the table of what each bandit's arms earned, over all steps and samples."""
    arms = ("0", "2", "4", "6")
    head = " | ".join(f"arm {arm}: mean ± spread (n)" for arm in arms)
    lines = [f"| method | correction | {head} |", "| --- " * (len(arms) + 2) + "|"]
    for r in rows:
        if "reward" in r:
            cells = (r["reward"].get(arm, (0, 0, 0)) for arm in arms)
            text = " | ".join(f"{mean:+.4f} ± {spread:.4f} ({n})" for mean, spread, n in cells)
            lines.append(f"| {r['method']} | {r['corrector'] or '-'} | {text} |")
    return "\n".join(lines) + "\n"


def show(full, samples, path: Path, count: int = 8, size: int = 128) -> None:
    """Pastes the last samples into one picture: above in full, below with skipping."""
    from PIL import Image

    sheet = Image.new("RGB", (count * (size + 4), 2 * (size + 4)), "white")
    for column, i in enumerate(sorted(samples)[-count:]):
        for line, sample in enumerate((full[i], samples[i])):
            place = (column * (size + 4), line * (size + 4))
            sheet.paste(sample.output.resize((size, size), Image.Resampling.LANCZOS), place)
    sheet.save(path)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws PSNR against calls."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for r in rows[1:]:
        mean, low, high = r["psnr_db"]
        filled = "full" if r["corrector"] else "none"
        axes.errorbar(
            r["calls"],
            mean,
            yerr=[[mean - low], [high - mean]],
            marker="o",
            fillstyle=filled,
            capsize=3,
            color="C0" if "ours" in r["method"] else "0.4",
        )
        axes.annotate(f" {r['method']}", (r["calls"], mean), fontsize=7, va="center")
    axes.set(xlabel="network calls a sample (full: 50)", ylabel="PSNR to the full run, dB")
    axes.set_title("filled: with landing correction", fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
