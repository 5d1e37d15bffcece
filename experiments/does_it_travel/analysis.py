"""Turns the comparisons of all models into table.md, result.json and figure.svg.

Run with `python experiments/does_it_travel/analysis.py` after run.py.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from run import ALL_MODELS, CHOSEN_ON, TARGETS

from fastflow.comparison.pooling.pool import pool
from fastflow.comparison.rows import ComparisonDirectory
from fastflow.comparison.table import psnrs_of
from fastflow.evaluation.bootstrap import bootstrap_nested

HERE = Path(__file__).parent
NOT_RIVALS = ("ours", "oracle", "negative control", "anchor")
DEFAULT, PLAIN = "halving", "uniform"
"""The method of ours that was chosen before the models were, and the simplest rival."""

OVER = 1  # computed steps above the target that a fair row may take
PATH = {True: "chosen on it", False: "only reported"}


@dataclass
class ModelResults:
    """The pooled comparisons of one model.

    Args:
        model: its name.
        pooled: the content of the pooled comparison.
        directories: the directory of each seed.
        minutes: what the comparisons took of one core, all seeds together.
    """

    model: str
    pooled: dict[str, Any]
    directories: Sequence[ComparisonDirectory] = field(repr=False)
    minutes: float

    @property
    def targets(self) -> list[int]:
        """The numbers of computed steps, the most first."""
        return sorted({row["target"] for row in self.pooled["table"]}, reverse=True)

    def at(self, target: int) -> list[dict[str, Any]]:
        """Returns the rows at a target, the highest PSNR first."""
        return [row for row in self.pooled["table"] if row["target"] == target]

    def best(self, target: int, is_ours: bool) -> dict[str, Any] | None:
        """Returns the fair row of highest PSNR among ours, or among the rivals."""
        rows = (row for row in self.at(target) if row["steps"] <= target + OVER)
        return next((row for row in rows if is_among(row, is_ours)), None)

    def row(self, method: str, target: int) -> dict[str, Any] | None:
        """Returns a method's row; None if there is none."""
        return next((row for row in self.at(target) if row["method"] == method), None)

    def difference(self, own: str, other: str, target: int) -> list[float]:
        """Returns the paired difference in PSNR, in dB, with its 95 % interval.

        The bootstrap draws seeds, and then samples of each drawn seed.
        """
        pairs = [[self._psnrs(one, name, target) for name in (own, other)] for one in self._all]
        return list(bootstrap_nested([[a[i] - b[i] for i in a] for a, b in pairs]))

    @property
    def _all(self) -> Sequence[ComparisonDirectory]:
        return self.directories

    @staticmethod
    def _psnrs(directory: ComparisonDirectory, method: str, target: int) -> dict[int, float]:
        row = directory.row(method, target)
        assert row is not None, "pooled rows are finished in every comparison"
        return psnrs_of(row.samples)


@dataclass(frozen=True)
class Verdict:
    """Ours against the best rival, on one model at one target.

    Args:
        model: the name of the model.
        chosen_on: whether choices were made on this model before the freeze.
        target: the number of computed steps.
        ours: the best method of ours.
        rival: the best rival.
        difference: ours minus the rival's PSNR in dB, paired, with its 95 % interval.
        default: the same for `DEFAULT`; None if it is missing or took too many steps.
        below_plain: the rows of ours below `PLAIN`, as method and difference in dB.
    """

    model: str
    chosen_on: bool
    target: int
    ours: str
    rival: str
    difference: list[float]
    default: list[float] | None
    below_plain: dict[str, float]

    @property
    def word(self) -> str:
        """Whether ours is first, last of the two, or cannot be told apart."""
        return word_of(self.difference)


def word_of(difference: Sequence[float]) -> str:
    """Returns what a paired difference with its interval says about ours."""
    _, low, high = difference
    if low > 0:
        return "ahead"
    return "behind" if high < 0 else "not distinguishable"


def is_among(row: dict[str, Any], is_ours: bool) -> bool:
    """Returns whether a row is one of ours, or one of the rivals'."""
    return row["group"] == "ours" if is_ours else row["group"] not in NOT_RIVALS


def read(runs: Path) -> tuple[list[ModelResults], list[str]]:
    """Returns the results of every model with two or more seeds, and a line for each other."""
    found, lacking = [], []
    for model in ALL_MODELS:
        folders = sorted(runs.glob(f"{model}-[0-9]*"), key=lambda f: int(f.name.split("-")[-1]))
        finished = [folder for folder in folders if (folder / "comparison.json").is_file()]
        if len(finished) < 2:
            lacking.append(f"`{model}`: {len(finished)} finished of the two seeds that are needed")
            continue
        with tempfile.TemporaryDirectory() as made:
            pooled = json.loads((pool(finished, Path(made) / "out") / "pooled.json").read_text())
        directories = [ComparisonDirectory.existing(folder) for folder in finished]
        minutes = sum(one.read_json("minutes.json") for one in directories)
        found.append(ModelResults(model, pooled, directories, minutes))
    return found, lacking


def verdicts(found: Sequence[ModelResults]) -> Iterator[Verdict]:
    """Yields ours against the best rival for each model and target that have both."""
    for one in found:
        for target in one.targets:
            ours, rival = one.best(target, True), one.best(target, False)
            if ours is None or rival is None:
                continue
            default, name = one.row(DEFAULT, target), rival["method"]
            fair = default is not None and default["steps"] <= target + OVER
            yield Verdict(
                model=one.model,
                chosen_on=one.model in CHOSEN_ON,
                target=target,
                ours=ours["method"],
                rival=name,
                difference=one.difference(ours["method"], name, target),
                default=one.difference(DEFAULT, name, target) if fair else None,
                below_plain=dict(_below(one, target)),
            )


def _below(one: ModelResults, target: int) -> Iterator[tuple[str, float]]:
    plain = one.row(PLAIN, target)
    for row in one.at(target) if plain else ():
        if row["group"] == "ours" and plain and row["psnr"][0] < plain["psnr"][0]:
            yield row["method"], row["psnr"][0] - plain["psnr"][0]


def table(
    found: Sequence[ModelResults], judged: Sequence[Verdict], lacking: Sequence[str]
) -> Iterator[str]:
    """Yields the lines of table.md."""
    yield "# Ours against the best rival\n"
    yield (
        "PSNR of the decoded output to that of the reference run, in dB: ours minus the rival's, "
        "paired by sample; 95 % intervals from a bootstrap over seeds and over the samples of "
        "each. Both the best of ours and the best rival are picked after the fact, among rows of "
        f"at most {OVER} computed step over the target; `{DEFAULT}` was picked before.\n"
    )
    yield from (f"Missing: {line}.\n" for line in lacking)
    yield from summary(judged)
    yield from _head(
        "model", "was", "steps", "ours", "rival", "difference, dB", "ours is", f"`{DEFAULT}`, dB"
    )
    for one in judged:
        default = "" if one.default is None else _interval(one.default, "+.1f")
        own, rival, known = f"`{one.ours}`", f"`{one.rival}`", PATH[one.chosen_on]
        apart = _interval(one.difference, "+.1f")
        yield _line(f"`{one.model}`", known, one.target, own, rival, apart, one.word, default)
    yield from _lists(judged)
    for one in found:
        yield from _rows_of(one)


def summary(judged: Sequence[Verdict]) -> Iterator[str]:
    """Yields how often ours is ahead, on models that choices were made on and on others."""
    yield from _head("models", "cells", "ahead", "not distinguishable", "behind")
    for chosen_on, label in PATH.items():
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
    yield f"{row['steps']:.1f}" + ("" if row["reached"] else " (!)")
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
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def _panel(ax: Axes, one: ModelResults) -> None:
    anchors = [row for row in one.pooled["table"] if row["group"] == "anchor"]
    curves: dict[str, tuple[str, str, list[dict[str, Any] | None]]] = {
        "best of ours": ("#24688f", "-", [one.best(t, True) for t in one.targets]),
        "best rival": ("#7a5195", "-", [one.best(t, False) for t in one.targets]),
        PLAIN: ("#c98b2b", "-", [one.row(PLAIN, t) for t in one.targets]),
        "anchor (trained)": ("#1f2328", ":", [*anchors]),
    }
    for label, (colour, style, rows) in curves.items():
        points = sorted((row["steps"], *row["psnr"]) for row in rows if row)
        steps, means, lows, highs = np.reshape(points, (-1, 4)).T
        ax.plot(steps, means, style, color=colour, marker=".", lw=1.2, label=label)
        ax.fill_between(steps, lows, highs, color=colour, alpha=0.12, lw=0)
    known = PATH[one.model in CHOSEN_ON]
    ax.set_title(f"{one.model} ({known})", fontsize=9)
    ax.set_xticks([target for target in TARGETS if target in one.targets])


def main() -> None:
    """Writes table.md, result.json and figure.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/does_it_travel"))
    parser.add_argument("--out", type=Path, default=HERE)
    chosen = parser.parse_args()
    found, lacking = read(chosen.runs)
    if not found:
        parser.error(f"{str(chosen.runs)!r} has no model with two finished seeds: start run.py.")
    judged = list(verdicts(found))
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "table.md").write_text("\n".join(table(found, judged, lacking)) + "\n")
    content = {
        "verdicts": [asdict(one) | {"word": one.word} for one in judged],
        "models": {one.model: one.pooled for one in found},
    }
    (chosen.out / "result.json").write_text(json.dumps(content, indent=1) + "\n")
    draw(found, chosen.out / "figure.svg")


if __name__ == "__main__":
    main()
