"""Turns the comparisons of all minis into the tables, figures and pictures of this folder.

Run with `python experiments/families/analysis.py` after families.py.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
from families import METHODS, TASKS
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OUT = Path("runs/analysis/families")  # nothing committed is overwritten unless --out says so
PSNR, SHOWN = "psnr_db", 19
ALLOWED = 0.02  # of the score
LOOKS = {
    "euler": ("#8b929a", "fewer steps"),
    "uniform": ("#c98b2b", "uniform"),
    "random_arms": ("#b48ead", "random arms"),
    "teacache_linear": ("#7a5195", "TeaCache's rule"),
    "ucb_paper_corrected": ("#a8402c", "the paper's UCB"),
    "ucb": ("#24688f", "our UCB"),
    "plan": ("#0b3d5c", "plan"),
    "oracle_linear_corrected": ("#1f2328", "oracle"),
}
PLAIN = {
    "uniform_uncorrected": "uniform",
    "random_arms_uncorrected": "random_arms",
    "teacache_linear_uncorrected": "teacache_linear",
    "ucb_paper": "ucb_paper_corrected",
    "ucb_uncorrected": "ucb",
    "oracle_linear": "oracle_linear_corrected",
}
"""Methods without correction, by those with it."""
PICTURED = ("euler", "uniform", "ucb_paper", "ucb", "plan")


def main() -> None:
    """Writes table.md, score.svg, psnr.svg, changes.svg and pictures.html."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/families"))
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/families",
    )
    options = parser.parse_args()
    runs, out = options.runs, options.out
    out.mkdir(parents=True, exist_ok=True)
    folders = {name: runs / name for name in TASKS if (runs / name / "comparison.json").is_file()}
    found = {name: read(folder / "comparison.json") for name, folder in folders.items()}
    (out / "table.md").write_text("\n".join(table(found)) + "\n")
    score = draw(found, "score", "score; reference run dashed, 0.02 below it grey")
    psnr = draw(found, "psnr", "PSNR to the reference run, dB")
    references = {name: read(folder / "references.json") for name, folder in folders.items()}
    figures = {"score": score, "psnr": psnr, "changes": draw_changes(references)}
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.svg", metadata={"Date": None})
    (out / "pictures.html").write_text(page(folders))
    print(out)


def read(path: Path) -> dict[str, Any]:
    """Reads a JSON file."""
    return json.loads(path.read_text())


def table(found: dict[str, dict[str, Any]]):
    """Yields the lines of a table for each task and target."""
    for name, one in found.items():
        reference, settings = one["reference"], one["settings"]
        yield f"## {name}: {TASKS[name]}\n"
        yield (
            f"Reference run: {settings['steps']} steps, {reference['calls']:.0f} calls, score "
            f"{interval(reference['scores']['score'], '.3f')}, {settings['samples']} samples.\n"
        )
        yield (
            "| steps | method | calls | fewer calls | wall-time speed-up | PSNR, dB | score "
            "| change of the score |"
        )
        yield "| --- " * 8 + "|"
        for target in settings["targets"]:
            for line in sorted(at(one, target), key=lambda line: METHODS.index(line["method"])):
                yield f"| {' | '.join(cells(line, reference['calls']))} |"
        yield ""


def at(found: dict[str, Any], target: int) -> list[dict[str, Any]]:
    """Returns the rows with numbers at a target."""
    return [line for line in found["table"] if line["target"] == target and not line["failure"]]


def cells(line: dict[str, Any], calls: float):
    """Yields a row's cells; (!) marks a number of steps that was not reached."""
    yield f"{line['steps']:.1f}" + ("" if line["reached"] else " (!)")
    yield line["method"]
    yield f"{line['calls']:.1f}"
    yield f"{calls / line['calls']:.2f}"
    yield interval(line["speedup_wall"], ".2f")
    yield interval(line["fidelity"].get(PSNR))
    yield f"{line['scores']['score'][0]:.3f}"
    yield interval(line["score_change"].get("score"), "+.3f")


def interval(values: list[float] | None, form: str = ".1f") -> str:
    """Formats a mean with its interval."""
    if not values:
        return ""
    mean, low, high = values
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def draw(found: dict[str, dict[str, Any]], what: str, label: str) -> Figure:
    """Draws a panel for each task: quality against how many times fewer calls were made."""
    figure = Figure(figsize=(3.4 * len(found), 3.8), layout="constrained")
    for ax, (name, one) in zip(panels(figure, len(found)), found.items(), strict=True):
        for method in LOOKS | PLAIN:
            curve(ax, one, method, what)
        if what == "score":
            mark_reference(ax, one["reference"]["scores"]["score"][0])
        ax.set_title(f"{name}\n{TASKS[name]}", fontsize=9)
        ax.set_xlabel("times fewer network calls", fontsize=9)
    figure.supylabel(label, fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def mark_reference(ax: Axes, score: float) -> None:
    """Marks the reference run's score and the allowed loss; a single sample changes it little."""
    ax.axhline(score, color="black", lw=0.8, ls="--")
    ax.axhspan(score - ALLOWED, score, color="black", alpha=0.07, lw=0)
    ax.set_ylim(score - 0.12, score + 0.06)


def panels(figure: Figure, count: int) -> list[Axes]:
    """Returns panels side by side."""
    return list(np.atleast_1d(figure.subplots(1, count)))


def curve(ax: Axes, found: dict[str, Any], method: str, what: str) -> None:
    """Draws one method; dotted without correction."""
    colour, label = LOOKS[PLAIN.get(method, method)]
    points = sorted(
        (found["reference"]["calls"] / line["calls"], quality(line, what))
        for line in found["table"]
        if line["method"] == method and not line["failure"]
    )
    style = ":" if method in PLAIN else "-"
    if points:
        name = f"{label}, uncorrected" if method in PLAIN else label
        ax.plot(*zip(*points, strict=True), style, color=colour, marker=".", lw=1.2, label=name)


def quality(line: dict[str, Any], what: str) -> float:
    """Returns a row's mean score or PSNR."""
    return line["scores"]["score"][0] if what == "score" else line["fidelity"][PSNR][0]


def draw_changes(references: dict[str, dict[str, Any]]) -> Figure:
    """Draws how much the velocity changes from step to step, as the paper's Figure 4 does."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    ax = figure.add_subplot()
    for name, one in references.items():
        changes = one["velocity_change"]
        ax.plot(range(1, len(changes) + 1), changes, lw=1.2, label=name)
    ax.set(
        xlabel="step, noise at the left", ylabel="relative L1 change of the velocity", yscale="log"
    )
    ax.legend(frameon=False, fontsize=8)
    return figure


def page(folders: dict[str, Path]) -> str:
    """Returns one page: the same prompts and noise by the reference run and some methods."""
    parts = [
        "<!DOCTYPE html><meta charset='utf-8'><title>Pictures and videos</title>",
        "<style>body{font:14px/1.4 sans-serif;margin:2rem;max-width:60rem}td,th{padding:4px;"
        "text-align:center;font-weight:normal}"
        "img,video{image-rendering:pixelated;width:96px}</style>",
        f"<h1>{SHOWN} of 50 steps, and the reference run</h1>",
    ]
    for name, folder in folders.items():
        prompts = read(folder / "references.json")["prompts"]
        shown = [
            (label, stem)
            for label, stem in columns()
            if list((folder / "images").glob(f"{stem}-0*"))
        ]
        heads = "".join(f"<th>{label}</th>" for label, _ in shown)
        parts.append(f"<h2>{name}: {TASKS[name]}</h2><table><tr><th></th>{heads}</tr>")
        for index, prompt in enumerate(prompts[:4]):
            pictures = "".join(f"<td>{picture(folder, stem, index)}</td>" for _, stem in shown)
            parts.append(f"<tr><th>{html.escape(prompt)}</th>{pictures}</tr>")
        parts.append("</table>")
    return "\n".join(parts) + "\n"


def columns():
    """Yields a heading for each column, and the beginning of its files' names."""
    yield "source", "source"
    yield "reference", "reference"
    for method in PICTURED:
        yield method, f"{method}-at-{SHOWN}"


def picture(folder: Path, stem: str, index: int) -> str:
    """Returns an image or a video of one sample, inside the page, if there is one."""
    for path in (folder / "images").glob(f"{stem}-{index:04d}.*"):
        data = base64.b64encode(path.read_bytes()).decode()
        if path.suffix == ".mp4":
            return f"<video autoplay loop muted src='data:video/mp4;base64,{data}'></video>"
        return f"<img src='data:image/png;base64,{data}' alt='{stem}'>"
    return ""


if __name__ == "__main__":
    main()
