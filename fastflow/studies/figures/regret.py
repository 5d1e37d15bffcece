"""Cumulative regret of policies that learn, from the rewards in records.jsonl."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastflow.sampling.foreign import RecordLine, check_schema
from fastflow.sampling.storage import read_objects
from fastflow.studies.figures.paper_style import COLUMN, StudyFigure, draw_for_paper, line_styles
from fastflow.studies.figures.series import chosen, how_chosen, quality_of
from fastflow.studies.grouping.group import Group
from fastflow.studies.grouping.section import StudySection
from fastflow.studies.reading.study_run import StudyRun
from fastflow.studies.safe_text import for_figure

LARGEST_RECORDS = 64 << 20  # bytes; a run with a larger records.jsonl has no curve

Decision = tuple[int, int, int, float]  # sample, step, arm, reward


def regret_curves(section: StudySection, suffix: str) -> list[StudyFigure]:
    """Draws the cumulative regret of the groups whose runs state rewards.

    Args:
        section: the groups.
        suffix: ends the names of the files.
    """
    quality = quality_of(section)
    if quality is None:
        return []
    found = [(g, curves) for g in chosen(section, quality) if (curves := _curves(g))]
    if not found:
        return []

    def plot(figure: Figure) -> None:
        ax = figure.add_subplot()
        styles = line_styles([group.label() for group, _ in found])
        for group, curves in found:
            _curve(ax, group, curves, styles[group.label()])
        ax.set(xlabel="sample", ylabel="cumulative regret (reward)")
        ax.grid(axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        figure.legend(loc="outside upper left", ncols=2)

    caption = (
        "For each decision, the mean reward of the best arm of its step less that of the arm "
        "taken, summed over the samples; means over the whole run, arms tried once included. "
        "Band: from the lowest to the highest seed. The unit is each policy's own reward, which "
        "its mu scales." + how_chosen(section, [group for group, _ in found])
    )
    height = 0.65 * COLUMN + 0.13 * -(-len(found) // 2)
    return [draw_for_paper(f"regret{suffix}", "Regret", caption, height, plot)]


def _curve(ax: Any, group: Group, curves: Sequence[np.ndarray], style: dict[str, Any]) -> None:
    length = min(map(len, curves))
    stacked = np.stack([curve[:length] for curve in curves])
    x, every = np.arange(length), max(1, length // 6)
    ax.plot(x, stacked.mean(axis=0), label=for_figure(group.label()), markevery=every, **style)
    low, high = stacked.min(axis=0), stacked.max(axis=0)
    ax.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _curves(group: Group) -> list[np.ndarray]:
    """Returns the curve of each run that states rewards and can be read."""
    curves = []
    for run in group.runs:
        try:
            decisions = list(_decisions(run))
        except (ValueError, OSError):  # the numbers of the run stand without its records
            continue
        if decisions:
            curves.append(cumulative_regret(decisions, run.indices))
    return curves


def _decisions(run: StudyRun) -> Iterator[Decision]:
    """Yields the decisions of a run that were rewarded."""
    file = run.path / "records.jsonl"
    if not run.has_records or file.stat().st_size > LARGEST_RECORDS:
        return
    known = set(run.indices)
    for where, line in read_objects(file, "", "a run directory", on_cut=lambda _: None):
        if line.get("taken") is True and line.get("reward") is not None:
            check_schema(RecordLine, line, where)
            if line["sample"] in known:
                yield line["sample"], line["step"], line["arm"], float(line["reward"])


def cumulative_regret(decisions: Sequence[Decision], samples: Sequence[int]) -> np.ndarray:
    """Returns the regret summed up to each sample, ``(n,)``, 0 or more and never falling.

    The regret of a decision is max_m Q_k(m) - Q_k(a), with Q_k(m) the mean reward of arm m at
    step k over all decisions, and a the arm taken: what the choice cost, and not the luck of its
    draw.

    Args:
        decisions: the sample, the step, the arm and the reward of each decision.
        samples: the numbers of the samples, rising.

    Reference:
        S. Bubeck, N. Cesa-Bianchi, Regret Analysis of Bandit Problems, 2012, section 1.1 (pseudo
        regret), https://doi.org/10.1561/2200000024
    """
    sums: dict[tuple[int, int], list[float]] = {}
    for _, step, arm, reward in decisions:
        sums.setdefault((step, arm), []).append(reward)
    means = {key: sum(own) / len(own) for key, own in sums.items()}
    best: dict[int, float] = {}
    for (step, _), mean in means.items():
        best[step] = max(mean, best.get(step, mean))
    place = {sample: i for i, sample in enumerate(samples)}
    lost = np.zeros(len(samples))
    for sample, step, arm, _ in decisions:
        lost[place[sample]] += best[step] - means[step, arm]
    return np.cumsum(lost)
