"""Turns a comparison's directory into the tables and the figure of this folder."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

OUT = Path(
    "runs/analysis/compare_at_equal_calls"
)  # nothing committed is overwritten unless --out says so
PSNR, APART = "psnr_db", 1.2
COLOURS = {
    "solvers": "#8b929a",
    "static": "#c98b2b",
    "teacache": "#7a5195",
    "caches": "#2c7048",
    "paper": "#a8402c",
    "ours": "#24688f",
    "oracle": "#1f2328",
}


def main() -> None:
    """Writes table.md, comparison.csv and figure.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="the directory that `make compare` wrote")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/compare_at_equal_calls",
    )
    options = parser.parse_args()
    found = json.loads((options.directory / "comparison.json").read_text())
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text("\n".join(tables(found)) + "\n")
    shutil.copy(options.directory / "comparison.csv", options.out / "comparison.csv")
    draw(found, options.out / "figure.svg")
    print(options.out)


def tables(found: dict[str, Any]):
    """Yields the lines of a table for each target, the highest PSNR first."""
    reference, settings = found["reference"], found["settings"]
    exact, score = reference["converged"].get(PSNR), reference["scores"].get("score")
    yield (
        f"The reference run: {reference['calls']:.0f} calls, PSNR to "
        f"{settings['converged_steps']} steps {interval(exact)} dB, score "
        f"{interval(score, '.3f')}. In another batch size it is "
        f"{interval(found['noise_floor']['fidelity'][PSNR])} dB from itself."
    )
    for target in sorted(settings["targets"], reverse=True):
        lines = [line for line in found["table"] if line["target"] == target]
        lines.sort(key=lambda line: -line["fidelity"].get(PSNR, [0])[0])
        yield f"\n### {target} of {settings['steps']} steps\n"
        yield (
            "| method | group | steps | calls | PSNR, dB (95 %) | SSIM | PSNR to converged, dB "
            "| change of the score (95 %) | wall-time speed-up (lowest to highest) "
            "| learned on: samples (calls) | peak, MB |"
        )
        yield "| --- " * 11 + "|"
        for line in lines:
            yield f"| {' | '.join(cells(line))} |"


def cells(line: dict[str, Any]):
    """Yields a row's cells."""
    yield line["method"]
    yield line["group"]
    if line["failure"]:
        yield from (line["failure"], *[""] * 8)
        return
    yield f"{line['steps']:.1f}" + ("" if line["reached"] else " (!)")
    yield f"{line['calls']:.1f}"
    yield interval(line["fidelity"].get(PSNR))
    yield f"{line['fidelity']['ssim'][0]:.4f}"
    yield f"{line['converged'][PSNR][0]:.1f}" if PSNR in line["converged"] else ""
    yield interval(line["score_change"].get("score"), "+.3f")
    yield interval(line["speedup_wall"], ".2f")
    learned = line["learned"]
    yield f"{learned['samples']} ({learned['calls']})" if learned.get("samples") else ""
    yield f"{line['peak'] / 1e6:.1f}" if line["peak"] else ""


def interval(values: list[float] | None, form: str = ".1f") -> str:
    """Formats a mean with its interval."""
    if not values:
        return ""
    mean, low, high = values
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def draw(found: dict[str, Any], path: Path) -> None:
    """Draws PSNR against calls, the best three of each group named."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    ax = figure.add_subplot()
    methods: dict[str, list[dict]] = {}
    for line in found["table"]:
        if not line["failure"] and line["group"] in COLOURS:
            methods.setdefault(line["method"], []).append(line)
    best = {}
    for name, lines in methods.items():
        points = np.array(sorted((line["steps"], line["fidelity"][PSNR][0]) for line in lines))
        group = lines[0]["group"]
        dashed = (0, (3, 2)) if group == "oracle" else "-"
        ax.plot(*points.T, color=COLOURS[group], linewidth=1, linestyle=dashed, marker=".")
        best.setdefault(group, []).append((points[-1, 1], name, points[-1].tolist()))
    lowest = np.inf
    for group, (height, name, at) in sorted(
        ((group, max(ends)) for group, ends in best.items()), key=lambda one: -one[1][0]
    ):
        lowest = min(height, lowest - APART)  # names must not lie on each other
        style = {"color": COLOURS[group], "fontsize": 8, "va": "center"}
        ax.annotate(name, (at[0] + 0.25, lowest), **style)
    for group in best:
        ax.plot([], [], color=COLOURS[group], label=group)
    ax.set(xlabel="computed steps", ylabel="PSNR to the reference run, dB")
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
