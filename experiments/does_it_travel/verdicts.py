"""The pooled comparisons of each model, and ours against the best rival in each."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from run import ALL_MODELS, CHOSEN_ON

from fastflow.comparison.fairness.findings import NO_PEERS, difference_of
from fastflow.comparison.pooling.pool import pool
from fastflow.comparison.rows import ComparisonDirectory
from fastflow.comparison.table import psnrs_of

DEFAULT, PLAIN = "halving", "uniform"
"""The method of ours that was named before the comparison, and the simplest rival."""

OVER = 1  # computed steps above the target that a fair row may take


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
        """Returns the fair row of highest PSNR among ours, or among the rivals.

        A row of ours that is marked, since it missed its target or was replaced, is not fair.
        """
        rows = (row for row in self.at(target) if row["steps"] <= target + OVER)
        rows = (row for row in rows if not (is_ours and row["marks"]))
        return next((row for row in rows if is_among(row, is_ours)), None)

    def row(self, method: str, target: int) -> dict[str, Any] | None:
        """Returns a method's row; None if there is none."""
        return next((row for row in self.at(target) if row["method"] == method), None)

    def difference(self, own: str, other: str, target: int) -> list[float]:
        """Returns the paired difference in PSNR, in dB, with its 95 % interval.

        It covers samples and, if there are several, seeds (`repeated_mean`).
        """
        mine, theirs = (
            [psnrs(directory, method, target) for directory in self.directories]
            for method in (own, other)
        )
        return list(difference_of(mine, theirs))


def psnrs(directory: ComparisonDirectory, method: str, target: int) -> dict[int, float]:
    """Returns the PSNR of each sample of a finished row, in dB, by its index."""
    row = directory.row(method, target)
    assert row is not None, "pooled rows are finished in every comparison"
    return psnrs_of(row)


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
        """Whether ours is ahead, behind, or cannot be distinguished from the rival."""
        return word_of(self.difference)


def word_of(difference: Sequence[float]) -> str:
    """Returns what a paired difference with its interval says about ours."""
    _, low, high = difference
    if low > 0:
        return "ahead"
    return "behind" if high < 0 else "not distinguishable"


def is_among(row: dict[str, Any], is_ours: bool) -> bool:
    """Returns whether a row is one of ours, or one of the rivals'."""
    return row["group"] == "ours" if is_ours else row["group"] not in NO_PEERS


def read(runs: Path) -> tuple[list[ModelResults], list[str]]:
    """Returns the results of every finished model, and a line for each with few seeds."""
    found, lacking = [], []
    for model in ALL_MODELS:
        folders = sorted(runs.glob(f"{model}-[0-9]*"), key=lambda f: int(f.name.split("-")[-1]))
        finished = [folder for folder in folders if (folder / "comparison.json").is_file()]
        if len(finished) < 2:
            lacking.append(
                f"`{model}` has {len(finished)} finished seed{'' if len(finished) == 1 else 's'}"
                + (": its intervals cover samples, not another tuning" if finished else "")
            )
        if not finished:
            continue
        with tempfile.TemporaryDirectory() as made:
            pooled = json.loads(
                (pool(finished, Path(made) / "out", fewest=1) / "pooled.json").read_text()
            )
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
