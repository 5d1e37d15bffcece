"""Compares skipping with fewer plain steps on few-step and straight runs; see README.md.

Run with `python experiments/straight_models/analysis.py`. It makes the comparisons of
conf/experiment/straight_models.yaml in `--runs`, or finishes those that are there, and writes
result.json, table.md and figure.svg.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fastflow.cli import main as fastflow
from fastflow.evaluation.bootstrap import half_interval

OUT = Path(
    "runs/analysis/straight_models"
)  # nothing committed is overwritten unless --out says so
EIGHT, FOUR = ["steps=8", "targets=[6,5,4]"], ["steps=4", "targets=[3]"]
STRAIGHT = ["model=mixture", "model.modes=1", "model.spread=0.02"]
CASES = {
    "flux_mini-8": ["model=flux_mini", *EIGHT],
    "flux_mini-4": ["model=flux_mini", *FOUR],
    "kontext_mini-8": ["model=kontext_mini", *EIGHT],
    "kontext_mini-4": ["model=kontext_mini", *FOUR],
    "straight-8": [*STRAIGHT, *EIGHT],
    "straight-4": [*STRAIGHT, *FOUR],
    "curved-8": ["model=mixture", *EIGHT],
    "curved-4": ["model=mixture", *FOUR],
}
"""The settings of each case; its name is the model's and the number of steps."""

PLAIN, IDENTICAL = "euler", 99.0  # dB; the comparison's value for identical images
GRADED = ("score", "shape_overlap", "colour_distance", "unasked_change")


def main() -> None:
    """Makes the comparisons that are not there, and writes what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/straight_models"))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--samples", type=int, help="of each seed, instead of the file's")
    parser.add_argument("--seeds", type=int, help="how many, instead of the file's")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/straight_models",
    )
    options = parser.parse_args()
    words = [f"{k}={getattr(options, k)}" for k in ("samples", "seeds") if getattr(options, k)]
    for case in options.cases:
        make(options.runs / case, [*CASES[case], *words])
    found = {case: read(options.runs / case) for case in options.cases}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join(table(found)) + "\n"
    (options.out / "table.md").write_text(text)
    draw(found).savefig(options.out / "figure.svg", metadata={"Date": None})
    print(text, options.out, sep="\n")


def make(folder: Path, words: list[str]) -> None:
    """Makes one comparison, or finishes it."""
    if (folder / "comparison.json").is_file():
        return
    new = ["experiment=straight_models", *words, f"out={folder}"]
    if status := fastflow(["compare", *([f"resume={folder}"] if folder.is_dir() else new)]):
        sys.exit(status)


def read(folder: Path) -> dict[str, Any]:
    """Returns the measures of each seed, by method and number of computed steps.

    ``psnr`` is against the run of all steps, ``converged`` against the converged run, both in dB
    and means over samples.
    """
    settings = json.loads((folder / "comparison.json").read_text())["settings"]
    cells: dict[str, dict[str, list[float]]] = {}
    for place in [folder, *sorted(folder.glob("seeds/*"))]:
        for path in sorted(place.glob("rows/*.json")):
            row = json.loads(path.read_text())
            cell = cells.setdefault(f"{row['method']} {row['target']}", {})
            for name, value in measures(row["samples"]).items():
                cell.setdefault(name, []).append(value)
    return {"steps": settings["steps"], "samples": settings["samples"], "cells": cells}


def measures(samples: list[dict[str, Any]]) -> dict[str, float]:
    """Returns the means over the samples of one row."""
    good = [sample for sample in samples if not sample["failure"]]
    found = {"steps": float(np.mean([len(s["computed"]) for s in good]))} if good else {}
    for name in ("psnr_db", *GRADED):
        if values := [s["metrics"][name] for s in good if name in s["metrics"]]:
            found[name] = float(np.mean([IDENTICAL if v is None else v for v in values]))
            full = [s["metrics_full"].get(name) for s in good]
            if name != "psnr_db" and None not in full:
                found[f"{name} change"] = found[name] - float(np.mean(full))
    return found


def interval(values: list[float]) -> tuple[float, float]:
    """Returns the mean and half of its 95 % interval, Student's t over the seeds."""
    return float(np.mean(values)), half_interval(values)


def gains(case: dict[str, Any], name: str, measure: str) -> list[float]:
    """Returns what a cell has more than as many plain steps, for each seed."""
    target = name.split()[-1]
    own, plain = case["cells"][name], case["cells"][f"{PLAIN} {target}"]
    return [a - b for a, b in zip(own.get(measure, []), plain.get(measure, []), strict=True)]


def verdict(values: list[float]) -> str:
    """Returns whether skipping gains over as many plain steps, as far as the seeds tell."""
    mean, half = interval(values)
    if not half < abs(mean):  # also if it is NaN
        return "cannot be told"
    return "gains" if mean > 0 else "LOSES"


def table(found: dict[str, Any]) -> Iterator[str]:
    """Yields the lines of the table, a row for each case, method and number of steps."""
    first = next(iter(found.values()))
    yield (
        f"{first['samples']} samples for each seed; ± is half the 95 % interval over seeds "
        f"(Student's t). PSNR against the run of all steps; *gain* over as many plain Euler steps."
    )
    for name, case in found.items():
        yield f"\n### {name.replace('-', ', ')} steps\n"
        measured = [g for g in GRADED if any(f"{g} change" in c for c in case["cells"].values())]
        heads = ["method", "computed", "PSNR, dB", "gain, dB", "verdict"]
        heads += [f"change of {g}" for g in measured]
        yield f"| {' | '.join(heads)} |"
        yield "| --- " * len(heads) + "|"
        for cell in sorted(case["cells"], key=lambda c: (-int(c.split()[-1]), c)):
            if "psnr_db" in case["cells"][cell]:
                yield f"| {' | '.join(line(case, cell, measured))} |"


def line(case: dict[str, Any], cell: str, measured: list[str]) -> Iterator[str]:
    """Yields the cells of one line."""
    values = case["cells"][cell]
    yield f"`{cell.split()[0]}`"
    yield f"{np.mean(values['steps']):.1f}"
    yield "{:.1f} ± {:.1f}".format(*interval(values["psnr_db"]))
    if cell.startswith(PLAIN):
        yield from ("", "")
    else:
        gain = gains(case, cell, "psnr_db")
        yield "{:+.1f} ± {:.1f}".format(*interval(gain))
        yield verdict(gain)
    for name in measured:
        yield "{:+.3f} ± {:.3f}".format(*interval(values[f"{name} change"]))


def draw(found: dict[str, Any]) -> Figure:
    """Draws the gain in PSNR over as many plain steps, a panel for each case of 8 steps."""
    cases = {name: case for name, case in found.items() if case["steps"] > 4} or found
    figure = Figure(figsize=(3.4 * len(cases), 3.2), layout="constrained")
    panels = figure.subplots(1, len(cases), squeeze=False)[0]
    for axes, (name, case) in zip(panels, cases.items(), strict=True):
        methods = list(dict.fromkeys(c.split()[0] for c in case["cells"]))
        for i, method in enumerate(m for m in methods if m != PLAIN):
            cells = [
                c
                for c in case["cells"]
                if c.split()[0] == method and "psnr_db" in case["cells"][c]
            ]
            points = sorted(
                (int(c.split()[-1]), *interval(gains(case, c, "psnr_db"))) for c in cells
            )
            if points:
                at, means, halves = (np.array(part) for part in zip(*points, strict=True))
                axes.errorbar(
                    at + 0.06 * (i - 2),
                    means,
                    yerr=halves,
                    marker="o",
                    ms=3,
                    label=method,
                    color=f"C{i}",
                )
        axes.axhline(0, color="0.4", lw=0.8)
        axes.set(title=name.replace("-", ", ") + " steps", xlabel="computed steps")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("gain over plain steps, dB")
    figure.axes[-1].legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main()
