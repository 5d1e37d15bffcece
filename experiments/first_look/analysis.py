"""Compares ways to skip on flux_mini at the same number of calls; see README.md.

Run with `python experiments/first_look/analysis.py`. It makes the comparison in `--runs`, or
finishes one that is already there, and writes result.json, table.md, figure.svg and pictures.png.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from fastflow.cli import main as fastflow

OUT = Path("runs/analysis/first_look")  # nothing committed is overwritten unless --out says so
PSNR, IDENTICAL = "psnr_db", 99.0  # dB; the comparison's value for identical images
TARGET = 18  # of 50 steps
METHODS = {
    "ucb": ("ours", True),
    "ucb_uncorrected": ("ours", False),
    "ucb_frozen": ("ours, frozen", True),
    "ucb_paper_corrected": ("the paper's bandit", True),
    "ucb_paper": ("the paper's bandit", False),
    "ucb_released": ("the released bandit", False),
    "random_arms": ("random arms", True),
    "random_arms_uncorrected": ("random arms", False),
    "uniform": ("uniform, linear", True),
    "uniform_uncorrected": ("uniform, linear", False),
    "uniform_reuse": ("uniform, reuse", False),
    "euler": ("fewer Euler steps", False),
}
"""The presets of `conf/method`, with a label and whether landings are corrected."""
PICTURED, SHOWN = "ucb", 8


def main() -> None:
    """Makes the comparison, unless it is there, and writes what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/first_look"))
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/first_look",
    )
    options = parser.parse_args()
    if not (options.runs / "comparison.json").is_file():
        status = fastflow(["compare", *words(options.runs, options.samples)])
        if status:
            sys.exit(status)
    options.out.mkdir(parents=True, exist_ok=True)
    found = read(options.runs)
    (options.out / "result.json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join(table(found)) + "\n"
    (options.out / "table.md").write_text(text)
    draw(found).savefig(options.out / "figure.svg", metadata={"Date": None})
    pictures(options.runs).save(options.out / "pictures.png")
    print(text, options.out, sep="\n")


def words(runs: Path, samples: int) -> list[str]:
    """Returns the command's words: a new comparison, or one that was stopped."""
    if (runs / "rows").is_dir():
        return [f"resume={runs}"]
    return [
        "model=flux_mini",
        f"methods=[{','.join(METHODS)}]",
        f"targets=[{TARGET}]",
        f"samples={samples}",
        f"examples={SHOWN}",
        "max_batch=32",
        "pairs=0",
        "converged_steps=0",
        f"out={runs}",
    ]


def read(runs: Path) -> dict[str, Any]:
    """Returns a comparison's table, each row with its worst PSNR and its skip lengths."""
    found = json.loads((runs / "comparison.json").read_text())
    settings = {name: found["settings"][name] for name in ("steps", "samples", "tuning", "seed")}
    rows = [line | details(runs, line, settings["steps"]) for line in found["table"]]
    versions = json.loads((runs / "versions.json").read_text())
    return {
        "versions": {name: versions[name] for name in ("fastflow", "torch", "diffusers")},
        "settings": settings,
        "reference": found["reference"],
        "table": rows,
    }


def details(runs: Path, line: dict[str, Any], steps: int) -> dict[str, Any]:
    """Returns what only the samples show: the worst PSNR, and the shares of skip lengths."""
    path = runs / "rows" / f"{line['method']}-at-{line['target']}.json"
    samples = json.loads(path.read_text())["samples"]
    values = [sample["metrics"].get(PSNR) for sample in samples]
    return {
        "psnr_worst": min((IDENTICAL if v is None else v for v in values), default=None),
        "skip_lengths": {} if line["group"] == "solvers" else skip_lengths(samples, steps),
    }


def skip_lengths(samples: list[dict[str, Any]], steps: int) -> dict[str, float]:
    """Returns how often each number of steps is skipped after a computed one, as shares."""
    skips = (np.diff([*sample["computed"], steps]) - 1 for sample in samples)
    counts = Counter(np.concatenate(list(skips)).tolist())
    return {str(m): counts[m] / counts.total() for m in sorted(counts)}


def table(found: dict[str, Any]) -> Iterator[str]:
    """Yields the lines of the table, the highest PSNR first."""
    reference = found["reference"]
    score = interval(reference["scores"]["score"], ".3f")
    samples = found["settings"]["samples"]
    yield f"Reference run: {reference['calls']:.0f} calls, score {score}, {samples} samples.\n"
    yield (
        "| method | correction | computed steps | calls | fewer calls | PSNR, dB (95 %) | worst "
        "| SSIM | score | change of the score (95 %) | skip lengths, % of computed steps |"
    )
    yield "| --- " * 11 + "|"
    for line in ranked(found):
        yield f"| {' | '.join(cells(line, reference['calls']))} |"


def ranked(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows that have numbers, the highest PSNR first."""
    lines = [line for line in found["table"] if not line["failure"]]
    return sorted(lines, key=lambda line: -line["fidelity"][PSNR][0])


def cells(line: dict[str, Any], calls: float) -> Iterator[str]:
    """Yields a row's cells; (!) marks a number of steps that was not reached."""
    label, corrected = METHODS[line["method"]]
    yield f"{label} (`{line['method']}`)"
    yield "yes" if corrected else "no"
    yield f"{line['steps']:.1f}" + ("" if line["reached"] else " (!)")
    yield f"{line['calls']:.1f}"
    yield f"{calls / line['calls']:.2f}"
    yield interval(line["fidelity"][PSNR])
    yield f"{line['psnr_worst']:.1f}"
    yield f"{line['fidelity']['ssim'][0]:.4f}"
    yield f"{line['scores']['score'][0]:.3f}"
    yield interval(line["score_change"]["score"], "+.3f")
    yield " ".join(f"{m}:{100 * share:.0f}" for m, share in line["skip_lengths"].items())


def interval(values: list[float], form: str = ".1f") -> str:
    """Formats a mean with its interval."""
    mean, low, high = values
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def draw(found: dict[str, Any]) -> Figure:
    """Draws each method's PSNR with its interval."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    lines = ranked(found)[::-1]
    for height, line in enumerate(lines):
        label, corrected = METHODS[line["method"]]
        mean, low, high = line["fidelity"][PSNR]
        axes.errorbar(
            mean,
            height,
            xerr=[[mean - low], [high - mean]],
            marker="o",
            fillstyle="full" if corrected else "none",
            capsize=3,
            color="C0" if label.startswith("ours") else "0.4",
        )
    names = [f"{METHODS[x['method']][0]}, {x['calls']:.1f} calls" for x in lines]
    axes.set_yticks(range(len(lines)), names, fontsize=8)
    axes.set(xlabel="PSNR to the reference run, dB")
    axes.set_title("filled: with landing correction", fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def pictures(runs: Path, size: int = 128, gap: int = 4) -> Image.Image:
    """Returns one sheet: the reference runs above, the same prompts and noise skipped below."""
    sheet = Image.new("RGB", (SHOWN * (size + gap), 2 * (size + gap)), "white")
    for row, stem in enumerate(("reference", f"{PICTURED}-at-{TARGET}")):
        for column, path in enumerate(sorted((runs / "images").glob(f"{stem}-*.png"))[:SHOWN]):
            image = Image.open(path).resize((size, size), Image.Resampling.LANCZOS)
            sheet.paste(image, (column * (size + gap), row * (size + gap)))
    return sheet


if __name__ == "__main__":
    main()
