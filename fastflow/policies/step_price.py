"""The value of a skipped step at which a bandit computes a given number of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fastflow.integration.grid import Grid
from fastflow.policies.arm_statistics import BanditMemory

Walk = np.ndarray  # (T, T): the probability that the step computed after k is j, by k and j


class SkipValues(NamedTuple):
    """Two values mu of a skipped step, in units of the reward, and how often each decides.

    Greedy decisions jump from one number of computed steps to another as mu grows, so a target in
    between is reached only by drawing which of two values decides.

    Args:
        low: the lower mu, at which at least as many steps as wanted are computed.
        high: the higher mu, at which at most as many are.
        share: the probability, at each decision, that ``high`` decides.
    """

    low: float
    high: float
    share: float


def find_values(walk_at: Callable[[float], Walk], steps: float, unit: float) -> SkipValues:
    """Finds by bisection the values of a skipped step at which ``steps`` steps are computed.

    If no value leads to as many or as few steps, the one that comes closest decides alone.

    Args:
        walk_at: returns the decisions at a value, as probabilities of the next computed step.
        steps: the wanted mean number of computed steps.
        unit: a value of the magnitude of the rewards.
    """
    low, high = -unit, unit
    for _ in range(8):  # rewards differ in magnitude from step to step
        if mean_steps_of(walk_at(low)) >= steps:
            break
        low *= 4
    for _ in range(8):
        if mean_steps_of(walk_at(high)) <= steps:
            break
        high *= 4
    for _ in range(60):
        middle = (low + high) / 2
        if high - low <= 1e-9 * unit or not low < middle < high:
            break
        if mean_steps_of(walk_at(middle)) >= steps:
            low = middle
        else:
            high = middle
    return SkipValues(low, high, _share(walk_at(low), walk_at(high), steps))


def mean_steps_of(walk: Walk) -> float:
    """Returns the mean number of computed steps if decisions are drawn from a walk."""
    visits = np.zeros(len(walk))
    visits[0] = 1.0
    for k, onward in enumerate(walk):
        visits += visits[k] * onward
    return float(visits.sum())


def _share(at_low: Walk, at_high: Walk, steps: float) -> float:
    """Returns the share of decisions at the higher value with which the mean is ``steps``."""
    if mean_steps_of(at_low) <= steps:
        return 0.0
    if mean_steps_of(at_high) >= steps:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        mixed = (1 - middle) * at_low + middle * at_high
        low, high = (middle, high) if mean_steps_of(mixed) >= steps else (low, middle)
    return (low + high) / 2


def rewards_to_go(memory: BanditMemory, grid: Grid, mu: float = 0.0) -> np.ndarray:
    """Returns the best sum of mean rewards from each step to the end, ``(T + 1,)``.

    With rewards ``-cost`` and mu, the value of a skipped step, this is the Lagrangian of the
    shortest path: the least cost of the gaps to come for the number of steps that mu buys. Only
    arms that were tried count; a step without one is followed by the next.

    Args:
        memory: the table of rewards.
        grid: the time grid.
        mu: added to the reward of every skipped step.
    """
    count, mean = memory.reward.count > 0, memory.reward.mean + mu * np.array(memory.arms)
    best = np.zeros(grid.steps + 1)
    for k in range(grid.steps - 1, -1, -1):
        fits = [i for i, m in enumerate(memory.arms) if m <= grid.longest_skip[k] and count[k, i]]
        ways = [mean[k, i] + best[k + memory.arms[i] + 1] for i in fits]
        best[k] = max(ways, default=best[k + 1])
    return best


def fewest_steps(arms: Sequence[int], grid: Grid) -> int:
    """Returns the smallest number of computed steps that the arms allow."""
    fewest = [0] * (grid.steps + 1)
    for k in range(grid.steps - 1, -1, -1):
        fits = (m for m in arms if m <= grid.longest_skip[k])
        fewest[k] = 1 + min(fewest[k + m + 1] for m in fits)
    return fewest[0]
