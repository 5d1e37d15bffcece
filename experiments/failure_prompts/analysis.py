"""Shows which prompts lose speed or quality by skipping; see README.md.

Run with `python experiments/failure_prompts/analysis.py`. It makes the sweep of
conf/experiment/failure_prompts.yaml in `--runs`, or finishes one that is there, and writes
result.json, table.md and figure.svg.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fastflow.cli import main as fastflow
from fastflow.evaluation.bootstrap import bootstrap_mean
from fastflow.evaluation.summary import FLIP

OUT = Path(
    "runs/analysis/failure_prompts"
)  # nothing committed is overwritten unless --out says so
IDENTICAL, WORST = 99.0, 5  # dB, the comparison's value for identical images; and prompts named
GRADED = ("score", "shape_overlap")


def main() -> None:
    """Makes the sweep unless it is there, and writes what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/failure_prompts"))
    parser.add_argument("--models", nargs="+", help="instead of the file's")
    parser.add_argument("--samples", type=int, help="of each seed, instead of the file's")
    parser.add_argument("--seeds", type=int, help="how many, instead of the file's")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/failure_prompts",
    )
    options = parser.parse_args()
    if not (options.runs / "sweep.json").is_file():
        words = [f"{k}={getattr(options, k)}" for k in ("samples", "seeds") if getattr(options, k)]
        words += [f"model={','.join(options.models)}"] if options.models else []
        words += [f"out={options.runs}"]
        if status := fastflow(["compare", "-m", "experiment=failure_prompts", *words]):
            sys.exit(status)
    found = [row for folder in sorted(options.runs.glob("[0-9]*")) for row in rows(folder)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps(found) + "\n")
    text = "\n".join(table(found)) + "\n"
    (options.out / "table.md").write_text(text)
    draw(found).savefig(options.out / "figure.svg", metadata={"Date": None})
    print(text, options.out, sep="\n")


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yields a row for each seed, method and sample of one comparison.

    ``floor`` is the PSNR of the reference run in another batch size, in dB: a low one means that
    the sample itself is undecided, however it is computed.
    """
    model = json.loads((folder / "comparison.json").read_text())["model"]
    name = model if isinstance(model, str) else model.get("name", folder.name)
    for place in [folder, *sorted(folder.glob("seeds/*"))]:
        floor = json.loads((place / "references.json").read_text())["noise_floor"]
        floors = {sample["index"]: psnr(sample) for sample in floor}
        for path in sorted(place.glob("rows/*.json")):
            row = json.loads(path.read_text())
            for sample in row["samples"]:
                if not sample["failure"]:
                    place_of = {"model": name, "method": row["method"]}
                    yield place_of | entry(sample) | {"floor": floors.get(sample["index"])}


def entry(sample: dict[str, Any]) -> dict[str, Any]:
    """Returns what is kept of one sample."""
    kept = {name: sample[name] for name in ("prompt", "task", "seed")}
    kept |= {"steps": len(sample["computed"]), "psnr": psnr(sample)}
    for name in GRADED:
        full, own = (sample[key].get(name) for key in ("metrics_full", "metrics"))
        if full is not None and own is not None:
            kept[name] = own - full
    return kept


def psnr(sample: dict[str, Any]) -> float:
    """Returns the PSNR to the reference run in dB."""
    value = sample["metrics"]["psnr_db"]
    return IDENTICAL if value is None else value


def apart(found: Sequence[dict[str, Any]], task: str, name: str) -> tuple[float, float, float]:
    """Returns how far a task's mean is from that of all tasks, with its 95 % interval.

    The interval is a bootstrap over whole prompts, because the same prompt with another noise is
    no other prompt.
    """
    mean = np.mean([row[name] for row in found])
    prompts = dict.fromkeys(row["prompt"] for row in found if row["task"] == task)
    values = [np.mean([r[name] - mean for r in found if r["prompt"] == p]) for p in prompts]
    return bootstrap_mean([float(value) for value in values])


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the lines of the tables: tasks, prompts, and what explains the flips."""
    for model in dict.fromkeys(row["model"] for row in found):
        some = [row for row in found if row["model"] == model]
        yield f"### {model}, by task\n"
        yield from tasks(some)
        yield f"\n### {model}, the worst prompts\n"
        yield from prompts(some)
        yield f"\n### {model}, flips (below {FLIP:.0f} dB)\n"
        yield from flips(some)
        yield ""


def tasks(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yields each method's PSNR, steps and score in each task, against all tasks."""
    yield (
        "| method | task | samples | PSNR, dB | against all tasks, dB (95 %) "
        "| steps against all tasks (95 %) | change of score | flips |"
    )
    yield "| --- " * 8 + "|"
    for method in dict.fromkeys(row["method"] for row in found):
        own = [row for row in found if row["method"] == method]
        for task in dict.fromkeys(row["task"] for row in own):
            of = [row for row in own if row["task"] == task]
            scores = [row["score"] for row in of if "score" in row]
            yield (
                f"| `{method}` | {task} | {len(of)} | {np.mean([r['psnr'] for r in of]):.1f} "
                f"| {shown(apart(own, task, 'psnr'), '+.1f')} "
                f"| {shown(apart(own, task, 'steps'), '+.1f')} "
                f"| {shown(bootstrap_mean(scores), '+.2f') if scores else ''} "
                f"| {sum(r['psnr'] < FLIP for r in of)} |"
            )


def shown(interval: tuple[float, float, float], form: str) -> str:
    """Returns a mean and its interval as text."""
    mean, low, high = (f"{value:{form}}" for value in interval)
    return f"{mean} ({low} to {high})"


def prompts(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the prompts with the lowest median PSNR over methods and seeds."""
    yield "| prompt | task | median PSNR, dB | lowest of each seed, dB | flips |"
    yield "| --- " * 5 + "|"
    groups = [
        [r for r in found if r["prompt"] == p] for p in dict.fromkeys(r["prompt"] for r in found)
    ]
    groups.sort(key=lambda group: np.median([row["psnr"] for row in group]))
    for group in groups[:WORST]:
        seeds = sorted({row["seed"] for row in group})
        lowest = [min(r["psnr"] for r in group if r["seed"] == seed) for seed in seeds]
        yield (
            f"| {group[0]['prompt']} | {group[0]['task']} "
            f"| {np.median([row['psnr'] for row in group]):.1f} "
            f"| {', '.join(f'{value:.0f}' for value in lowest)} "
            f"| {sum(row['psnr'] < FLIP for row in group)} of {len(group)} |"
        )


def flips(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yields every sample that flips, with the methods and the reference in another batch size."""
    yield "| prompt | noise seed | methods | PSNR, dB | reference in another batch size, dB |"
    yield "| --- " * 5 + "|"
    low = [row for row in found if row["psnr"] < FLIP]
    for prompt, seed in dict.fromkeys((row["prompt"], row["seed"]) for row in low):
        of = [row for row in low if (row["prompt"], row["seed"]) == (prompt, seed)]
        floor = "" if of[0]["floor"] is None else f"{of[0]['floor']:.1f}"
        yield (
            f"| {prompt} | {seed} | {', '.join(row['method'] for row in of)} "
            f"| {', '.join(format(row['psnr'], '.0f') for row in of)} | {floor} |"
        )


def draw(found: list[dict[str, Any]]) -> Figure:
    """Draws every sample's PSNR by task, a panel for each model."""
    models = list(dict.fromkeys(row["model"] for row in found))
    figure = Figure(figsize=(5 * len(models), 3.4), layout="constrained")
    for axes, model in zip(figure.subplots(1, len(models), squeeze=False)[0], models, strict=True):
        some = [row for row in found if row["model"] == model]
        names = list(dict.fromkeys(row["task"] for row in some))
        for i, method in enumerate(dict.fromkeys(row["method"] for row in some)):
            own = [row for row in some if row["method"] == method]
            at = [names.index(row["task"]) + 0.18 * (i - 1.5) for row in own]
            axes.plot(at, [row["psnr"] for row in own], ".", ms=4, color=f"C{i}", label=method)
        axes.axhline(FLIP, color="0.5", lw=0.8, ls=":")
        axes.set_xticks(range(len(names)), [n.replace("_", "\n") for n in names], fontsize=7)
        axes.set(title=model, ylabel="PSNR, dB")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main()
