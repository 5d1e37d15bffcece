"""Rules for policies."""

from __future__ import annotations

import json
import math
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fastflow.integration.episode import Episode
from fastflow.integration.feedback import Feedback
from fastflow.integration.grid import Grid
from fastflow.integration.loop import Step
from fastflow.policies.arm_statistics import BanditMemory
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.policies.skip_length import SkipLength
from fastflow.sampling.storage import load_memory, save_memory
from fastflow.testing.drive import (
    Transcript,
    drive,
    euler,
    field,
    grids,
    start,
    uneven,
)
from fastflow.testing.rule import demand, rule

_KEYS = [(7, i) for i in range(3)]


@rule
def decides_the_same_on_a_replay(policy: Policy) -> None:
    """The same memory, seed and sample give the same decisions, whatever the global seed."""
    for grid in _fitting(policy):
        memory, _ = _trained(policy, grid)
        for key in _KEYS:
            first = None
            for disturbance in range(3):
                random.seed(disturbance)
                np.random.seed(disturbance)
                torch.manual_seed(disturbance)
                seen = drive(policy, grid, memory, key).decisions
                first = first or seen
                demand(seen == first, f"a replay of {key} computed {seen[0]}, not {first[0]}")


@rule
def draws_differently_for_another_sample(policy: Policy) -> None:
    """If decisions are random, 12 samples do not all draw the same."""
    for grid in _fitting(policy):
        memory, _ = _trained(policy, grid)
        runs = [drive(policy, grid, memory, (7, i)) for i in range(12)]
        if all(math.prod(r.propensities.values()) < 0.5 for r in runs):
            differ = len({r.computed for r in runs}) > 1
            demand(differ, f"12 samples all computed {runs[0].computed}")


@rule
def takes_only_arms_that_fit(policy: Policy) -> None:
    """No arm is cut short by a forced step."""
    for grid in _fitting(policy):
        memory, _ = _trained(policy, grid)
        for key in _KEYS:
            seen = drive(policy, grid, memory, key)
            forced = [k for k in range(grid.steps) if grid.is_forced(k)]
            demand(set(forced) <= set(seen.computed), f"of {forced} it computed {seen.computed}")
            if isinstance(policy, SkipLength):
                odd = {k: m for k, m in seen.skips(grid.steps).items() if m not in policy.arms}
                demand(not odd, f"skips {odd} (step: length) with arms {policy.arms}")


@rule
def gives_plain_euler_where_it_never_skips(policy: Policy) -> None:
    """Bit for bit."""
    for grid in _fitting(policy):
        seen = drive(policy, grid)
        if len(seen.computed) == grid.steps:
            x = start(0)
            for k in range(grid.steps):
                x = euler(x, field(x, grid.sigma[k]), grid.dsigmas[k])
            demand(torch.equal(x, seen.x), f"it ends {(x - seen.x).abs().max():.1e} away")


@rule
def reports_the_probability_of_every_draw(policy: Policy) -> None:
    """Propensities are in (0, 1] and equal the `arm_probabilities` of the arms taken."""
    for grid in _fitting(policy):
        memory, _ = _trained(policy, grid)
        for key in _KEYS:
            stated: dict[int, dict[int, float]] = {}
            seen = drive(policy, grid, memory, key, watch=_Stating(policy, memory, stated))
            skips = seen.skips(grid.steps)
            for k, p in seen.propensities.items():
                demand(0 < p <= 1, f"at step {k} the propensity is {p}")
                demand(k in skips, f"step {k} was not computed and has a propensity")
                if isinstance(policy, SkipLength):
                    _demand_probability(k, stated[k], skips[k], p)


@rule
def learns_only_in_learn(policy: Policy) -> None:
    """A trajectory does not change the memory, so the order of samples does not matter."""
    for grid in _fitting(policy):
        memory, _ = _trained(policy, grid)
        before = _text(memory)
        drive(policy, grid, memory, (7, 9))
        demand(_text(memory) == before, "a trajectory changed the memory")


@rule
def leaves_a_frozen_memory_unchanged(policy: Policy) -> None:
    """A trajectory does not change a frozen memory, not even an empty one."""
    for grid in _fitting(policy):
        for memory in (_trained(policy, grid)[0].freeze(), policy.empty(grid).freeze()):
            before = _text(memory)
            for key in _KEYS:
                drive(policy, grid, memory, key)
            demand(_text(memory) == before, "a trajectory changed a frozen memory")
            demand(memory.frozen, "a trajectory unfroze a frozen memory")


@rule
def its_memory_survives_being_saved(policy: Policy) -> None:
    """Saving as JSON and loading changes no bit."""
    with tempfile.TemporaryDirectory() as folder:
        for grid in _fitting(policy):
            memory, _ = _trained(policy, grid)
            path = Path(folder) / "memory.json"
            save_memory(memory, path)
            again = load_memory(policy.empty(grid), path)
            demand(_text(again) == _text(memory), "a saved memory changed when it was loaded")


@rule
def halves_merge_to_the_whole(policy: Policy) -> None:
    """Merging two memories that learned half each gives the one that learned all."""
    for grid in _fitting(policy):
        _, feedbacks = _trained(policy, grid)
        whole, left, right = (policy.empty(grid) for _ in range(3))
        for memory, part in ((whole, feedbacks), (left, feedbacks[:2]), (right, feedbacks[2:])):
            if isinstance(memory, BanditMemory) and isinstance(left, BanditMemory):
                memory.constants = left.constants  # measured on the first sample only
            for feedback in part:
                policy.learn(memory, feedback)
        left.merge(right)
        _demand_close(left.to_dict(), whole.to_dict(), "memory")


@rule
def feedback_of_nan_does_not_enter_memory(policy: Policy) -> None:
    """Neither does feedback of infinity, and the policy still runs afterwards."""
    for grid in _fitting(policy):
        for bad in (math.nan, math.inf):
            memory, feedbacks = _trained(policy, grid)
            for learned in (memory, policy.empty(grid)):
                policy.learn(learned, _filled(feedbacks[0], bad))
                wrong = [v for v in _numbers(learned.to_dict()) if not math.isfinite(v)]
                demand(not wrong, f"memory holds {wrong[:3]} after feedback of {bad}")
                drive(policy, grid, learned, (7, 1))


@rule
def gives_one_reward_for_each_observation(policy: Policy) -> None:
    """Each is a finite number or None, and the memory does not change."""
    for grid in _fitting(policy):
        memory, feedbacks = _trained(policy, grid)
        before = _text(memory)
        for learned in (memory, policy.empty(grid)):
            seen = feedbacks[0].observations
            rewards = policy.rewards(learned, seen)
            demand(len(rewards) == len(seen), f"{len(seen)} have {len(rewards)} rewards")
            valid = all(r is None or math.isfinite(r) for r in rewards)
            demand(valid, f"the rewards are {rewards}")
        demand(_text(memory) == before, "computing rewards changed the memory")


@rule
def states_why_a_grid_is_too_short(policy: Policy) -> None:
    """It runs on one to three steps, or names the parameter and the number of steps."""
    for steps in (1, 2, 3):
        try:
            drive(policy, uneven(steps, 1.0))
        except ValueError as error:
            text = str(error)
            stated = "`" in text and f"{steps} steps" in text.replace("1 step ", "1 steps ")
            demand(stated, f"a grid of {steps} steps is refused by {text!r}")


def _fitting(policy) -> list[Grid]:
    """Returns the grids that the policy accepts."""
    fitting, refusals = [], []
    for grid in grids().values():
        try:
            policy.begin(grid, policy.empty(grid))
            fitting.append(grid)
        except ValueError as error:
            refusals.append(str(error))
    demand(fitting, f"every grid is refused: {refusals}")
    return fitting


def _trained(policy, grid, samples: int = 4) -> tuple[Memory, list]:
    """Returns a memory that learned from a few trajectories in turn, and their feedback."""
    memory, feedbacks = policy.empty(grid), []
    for i in range(samples):
        seen: Transcript = drive(policy, grid, memory, (3, i))
        feedbacks.append(seen.feedback)
        policy.learn(memory, seen.feedback)
    return memory, feedbacks


def _filled(feedback: Feedback, bad: float) -> Feedback:
    """Returns feedback whose numbers are all ``bad``."""
    observations = tuple(replace(o, error=bad) for o in feedback.observations)
    gram = None if feedback.gram is None else np.full_like(feedback.gram, bad)
    return Feedback(observations, gram)


class _Stating:
    """Asks a policy for its probabilities again, where it has just drawn an arm."""

    def __init__(self, policy: Policy, memory: Memory, stated: dict[int, dict[int, float]]):
        self.policy, self.memory, self.stated = policy, memory, stated

    def __call__(self, step: Step, episode: Episode) -> None:
        k = step.k - 1
        if not isinstance(self.policy, SkipLength) or k not in episode.propensities.keys() - (
            self.stated.keys()
        ):
            return
        context = step.context.before()
        context.features = episode.features.get(k, {})
        arms = [m for m in self.policy.arms if m <= context.longest_skip]
        probabilities = self.policy.arm_probabilities(arms, context, self.memory)
        self.stated[k] = dict(zip(arms, map(float, probabilities), strict=True))


def _demand_probability(k, stated, taken, propensity):
    valid = all(p >= 0 for p in stated.values()) and abs(sum(stated.values()) - 1) < 1e-9
    demand(valid, f"at step {k} the probabilities are {list(stated.values())}")
    seen = f"at step {k} arm {taken} has propensity {propensity}, probability {stated[taken]}"
    demand(abs(stated[taken] - propensity) < 1e-12, seen)


def _text(memory: Memory) -> str:
    return json.dumps(memory.to_dict())


def _numbers(content):
    """Yields every number in nested dictionaries and lists."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, (list, tuple)):
        for inner in content:
            yield from _numbers(inner)
    elif isinstance(content, (int, float)):
        yield content


def _demand_close(actual, expected, where):
    """Demands equal counts, and other numbers equal to 1e-12 of the largest in their list."""
    if isinstance(expected, dict):
        demand(
            actual.keys() == expected.keys(), f"{where} has {list(actual)}, not {list(expected)}"
        )
        for name in expected:
            _demand_close(actual[name], expected[name], f"{where}.{name}")
    elif isinstance(expected, list) and any(isinstance(v, float) for v in _numbers(expected)):
        a, b = list(_numbers(actual)), list(_numbers(expected))
        scale = max(map(abs, b))
        apart = max((abs(u - v) for u, v in zip(a, b, strict=True)), default=0.0)
        demand(apart <= 1e-12 * scale, f"{where} differs by {apart:.1e} at a scale of {scale:.1e}")
    else:
        demand(actual == expected, f"{where} is {actual}, not {expected}")
