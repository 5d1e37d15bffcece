"""Turns the comparisons of all models into table.md, result.json and figure.svg.

Run with `python experiments/does_it_travel/analysis.py` after run.py.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from run import CHOSEN_ON, TARGETS
from verdicts import DEFAULT, OVER, PLAIN, ModelResults, Verdict, read, verdicts

from fastflow.comparison.table import ANCHOR

OUT = Path("runs/analysis/does_it_travel")  # nothing committed is overwritten unless --out says so
USE = {True: "chosen on", False: "only reported"}  # by whether choices were made on a model


def table(
    found: Sequence[ModelResults], judged: Sequence[Verdict], lacking: Sequence[str]
) -> Iterator[str]:
    """Yields the lines of table.md."""
    yield "# Ours against the best rival\n"
    yield (
        "PSNR of the decoded output to that of the reference run, in dB: ours minus the rival's, "
        "paired by sample; 95 % intervals cover the samples and, where a model has several seeds, "
        "another tuning (Student's t over the seeds' means). Both the best of ours and the best "
        "rival are picked after the fact, among rows of "
        f"at most {OVER} computed step over the target; a row of ours that is marked (!) is never "
        f"the best, a rival's may be. `{DEFAULT}` was named before. In the tables of the models, "
        "(!) marks rows more than a quarter of a step from the target and plans that were "
        "replaced, flips are samples below 30 dB, and learning is counted in full runs.\n"
    )
    yield from (f"Note: {line}.\n" for line in lacking)
    yield from summary(judged)
    yield from _head(
        "model", "was", "steps", "ours", "rival", "difference, dB", "ours is", f"`{DEFAULT}`, dB"
    )
    for one in judged:
        default = "" if one.default is None else _interval(one.default, "+.1f")
        own, rival, known = f"`{one.ours}`", f"`{one.rival}`", USE[one.chosen_on]
        apart = _interval(one.difference, "+.1f")
        yield _line(f"`{one.model}`", known, one.target, own, rival, apart, one.word, default)
    yield from _lists(judged)
    for one in found:
        yield from _rows_of(one)


def summary(judged: Sequence[Verdict]) -> Iterator[str]:
    """Yields how often ours is ahead, on models that choices were made on and on others."""
    yield from _head("models", "cells", "ahead", "not distinguishable", "behind")
    for chosen_on, label in USE.items():
        words = [one.word for one in judged if one.chosen_on is chosen_on]
        counts = [words.count(w) for w in ("ahead", "not distinguishable", "behind")]
        yield _line(label, len(words), *counts)
    yield ""


def _lists(judged: Sequence[Verdict]) -> Iterator[str]:
    yield "\n## Where ours is not first\n"
    behind = [one for one in judged if one.difference[0] <= 0]
    for one in behind:
        yield (
            f"- `{one.model}` at {one.target}: `{one.rival}` is first, `{one.ours}` "
            f"{_interval(one.difference, '+.1f')} dB, {one.word}"
        )
    yield from [] if behind else ["Nowhere."]
    yield f"\n## Rows of ours below `{PLAIN}`\n"
    below = [(one, *pair) for one in judged for pair in one.below_plain.items()]
    yield from (f"- `{o.model}` at {o.target}: `{name}` {db:+.1f} dB" for o, name, db in below)
    yield from [] if below else ["None."]


def _rows_of(one: ModelResults) -> Iterator[str]:
    """Yields the tables of one model."""
    pooled = one.pooled
    yield f"\n# {one.model}\n"
    yield (
        f"{pooled['samples']} samples for each of the seeds {', '.join(map(str, pooled['seeds']))}"
        f", {pooled['steps']} steps, {one.minutes:.0f} minutes of one core in total."
    )
    yield from (f"\n{note}" for note in pooled["notes"])
    for target in one.targets:
        yield f"\n## {one.model} at {target} of {pooled['steps']} steps\n"
        yield from _head(
            *("method", "group", "steps", "mean PSNR, dB", "median", "10th percentile", "worst"),
            *("flips", "learning, full runs"),
        )
        for row in one.at(target):
            yield _line(*_cells(row))


def _cells(row: dict[str, Any]) -> Iterator[str]:
    yield from (f"`{row['method']}`", row["group"])
    yield f"{row['steps']:.1f}" + (" (!)" if row["marks"] else "")
    yield _interval(row["psnr"], ".1f")
    spread = row["psnr_spread"]
    yield from (f"{spread[name]:.1f}" for name in ("median_db", "p10_db", "worst_db"))
    yield f"{spread['flip_share']:.1%}"
    yield f"{row['learning_runs']:.1f}" if row["learning_runs"] else "0"


def _head(*names: str) -> Iterator[str]:
    yield _line(*names)
    yield "| --- " * len(names) + "|"


def _line(*cells: Any) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _interval(values: Sequence[float], form: str) -> str:
    mean, low, high = values
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def draw(found: Sequence[ModelResults], path: Path) -> None:
    """Draws PSNR over computed steps, a panel for each model."""
    columns = min(4, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(3.3 * columns, 2.9 * rows + 0.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for ax, one in zip(panels, found):
        _panel(ax, one)
    for ax in panels[len(found) :]:
        ax.axis("off")
    figure.supxlabel("computed steps", fontsize=9)
    figure.supylabel("PSNR to the reference run, dB", fontsize=9)
    by_label: dict[str, Any] = {}
    for line in (line for ax in panels for line in ax.get_lines()):
        by_label.setdefault(str(line.get_label()), line)
    figure.legend(
        by_label.values(), by_label, loc="outside upper center", ncols=4, fontsize=8, frameon=False
    )
    figure.savefig(path, metadata={"Date": None})


def _panel(ax: Axes, one: ModelResults) -> None:
    anchors = [row for row in one.pooled["table"] if row["group"] == ANCHOR]
    curves: dict[str, tuple[str, str, list[dict[str, Any] | None]]] = {
        "best of ours": ("#24688f", "-", [one.best(t, True) for t in one.targets]),
        "best rival": ("#7a5195", "-", [one.best(t, False) for t in one.targets]),
        PLAIN: ("#c98b2b", "-", [one.row(PLAIN, t) for t in one.targets]),
        "anchor (trained)": ("#1f2328", ":", [*anchors]),
    }
    for label, (colour, style, rows) in curves.items():
        points = sorted((row["steps"], *row["psnr"]) for row in rows if row)
        if not points:
            continue
        steps, means, lows, highs = np.array(points).T
        ax.plot(steps, means, style, color=colour, marker=".", lw=1.2, label=label)
        ax.fill_between(steps, lows, highs, color=colour, alpha=0.12, lw=0)
    known = USE[one.model in CHOSEN_ON]
    ax.set_title(f"{one.model} ({known})", fontsize=9)
    ax.set_xticks([target for target in TARGETS if target in one.targets])


def main() -> None:
    """Writes table.md, result.json and figure.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/does_it_travel"))
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="where the results go; the committed ones are in experiments/does_it_travel",
    )
    chosen = parser.parse_args()
    try:
        found, lacking = read(chosen.runs)
    except ValueError as error:
        parser.error(str(error))
    if not found:
        parser.error(f"{str(chosen.runs)!r} has no finished model: start run.py.")
    judged = list(verdicts(found))
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "table.md").write_text("\n".join(table(found, judged, lacking)) + "\n")
    content = {
        "verdicts": [asdict(one) | {"word": one.word} for one in judged],
        "models": {one.model: one.pooled for one in found},
    }
    (chosen.out / "result.json").write_text(json.dumps(content, indent=1) + "\n")
    draw(found, chosen.out / "figure.svg")
    print(chosen.out)


if __name__ == "__main__":
    main()
