"""Means of groups, with one interval over prompts and one over seeds, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from fastflow.evaluation.bootstrap import bootstrap_groups, half_interval, repeated_mean
from fastflow.studies.grouping.group import Bounds, Estimate, Group
from fastflow.studies.grouping.study_measure import StudyMeasure

TAILS = (0.025, 0.975)
RESAMPLES = 2000


def estimate(groups: Sequence[Group], measures: Sequence[StudyMeasure]) -> list[Group]:
    """Returns groups with an `Estimate` of every measure that they have.

    The interval over prompts resamples prompts, each with all of its seeds; every group of the
    section is resampled with the same draws. The interval over seeds is Student's t of the seeds'
    means. Neither holds the other: the first says what other prompts would change for these
    seeds, the second what other seeds would change for these prompts.

    Args:
        groups: the groups of a section.
        measures: what to estimate.
    """
    columns = dict.fromkeys(c for m in measures for c in (m.column, m.over) if c)
    drawn = {column: _resampled(groups, column) for column in columns}
    found: list[dict[str, Estimate]] = [{} for _ in groups]
    for measure in measures:
        means = drawn[measure.column]
        if measure.over:
            below = drawn[measure.over]
            means = np.divide(means, below, out=np.full_like(means, np.nan), where=below > 0)
        for group, own, values in zip(groups, found, means.T, strict=True):
            if math.isfinite(values[0]):
                own[measure.name] = _estimate(values, group.of_seeds(measure))
    both = zip(groups, found, strict=True)
    return _with_best([group.with_estimates(own) for group, own in both], measures)


def _resampled(groups: Sequence[Group], column: str) -> np.ndarray:
    """Returns the means ``(1 + resamples, G)`` of a column in every group."""
    values = [group.by_prompt(column) for group in groups]
    prompts = list(dict.fromkeys(prompt for own in values for prompt in own))
    table = np.array([[own.get(prompt, np.nan) for own in values] for prompt in prompts])
    if len(prompts) < 2:
        return (
            table.reshape(len(prompts), len(groups))
            if prompts
            else np.full((1, len(groups)), np.nan)
        )
    return bootstrap_groups(table, [""] * len(prompts), RESAMPLES)


def _estimate(values: np.ndarray, of_seeds: Sequence[float]) -> Estimate:
    mean = float(values[0])
    return Estimate(
        mean=mean,
        prompts=_quantiles(values[1:]),
        seeds=_over_seeds(mean, of_seeds),
        of_seeds=tuple(of_seeds),
    )


def _quantiles(resampled: np.ndarray) -> Bounds | None:
    """Returns the interval of resampled means; None if nothing varies."""
    kept = resampled[np.isfinite(resampled)]
    if not len(kept):
        return None
    low, high = np.quantile(kept, TAILS)
    varies = high - low > 1e-9 * max(abs(low), abs(high))
    return (float(low), float(high)) if varies else None


def _over_seeds(mean: float, of_seeds: Sequence[float]) -> Bounds | None:
    if len(of_seeds) < 2:
        return None
    half = half_interval(of_seeds)
    return (mean - half, mean + half)


def _with_best(groups: Sequence[Group], measures: Sequence[StudyMeasure]) -> list[Group]:
    """Returns groups whose best estimates are marked, contest by contest."""
    done: list[Group] = []
    for _, contest in groupby(groups, key=lambda group: group.contest):
        own = list(contest)
        best = {m.name: set(_best(own, m)) for m in measures}
        for i, group in enumerate(own):
            marked = {n: replace(e, best=i in best[n]) for n, e in group.estimates.items()}
            done.append(group.with_estimates(marked))
    return done


def _best(groups: Sequence[Group], measure: StudyMeasure) -> Iterator[int]:
    """Yields the group with the best mean, and those not distinguishable from it.

    Two groups are distinguishable if the 95 % interval of their paired difference, over prompts
    and over the seeds they share, leaves out 0 (`repeated_mean`).
    """
    ranked = [
        (group.estimates[measure.name].mean, i)
        for i, group in enumerate(groups)
        if measure.name in group.estimates and not group.mark
    ]
    if len(ranked) < 2:
        return
    _, top = max(ranked) if measure.higher else min(ranked)
    yield top
    column, higher = measure.difference
    for _, i in ranked:
        if i != top and _is_tied(groups[top], groups[i], column, higher):
            yield i


def _is_tied(best: Group, other: Group, column: str, higher: bool) -> bool:
    differences = list(_differences(best, other, column))
    if not differences:
        return False
    _, low, high = repeated_mean(differences)
    return low <= 0 if higher else high >= 0


def _differences(a: Group, b: Group, column: str) -> Iterator[dict[int, float]]:
    """Yields the differences of each seed that both have, by the prompt's number.

    Of groups without a common seed, the means over seeds are paired.
    """
    others = {run.seed: run for run in b.runs}
    pairs = [(run, others[run.seed]) for run in a.runs if run.seed in others] or [(a, b)]
    numbers: dict[str, int] = {}
    for one, other in pairs:
        own, its = one.by_prompt(column), other.by_prompt(column)
        found = {p: own[p] - its[p] for p in own if p in its}
        if found:
            yield {numbers.setdefault(p, len(numbers)): value for p, value in found.items()}
