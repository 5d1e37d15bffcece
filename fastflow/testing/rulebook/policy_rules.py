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

from fastflow.integration.episode import StepContext
from fastflow.integration.feedback import Feedback
from fastflow.integration.grid import Grid
from fastflow.policies.arm_statistics import BanditMemory
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.policies.skip_length import SkipLength
from fastflow.sampling.storage import load_memory, save_memory
from fastflow.testing.drive import (
    PLAIN_SCHEME,
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
    """Same memory, seed and sample: same decisions, whatever global randomness is up to."""
    for grid in _fitting(policy):
        memory, _ = _taught(policy, grid)
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
def draws_anew_for_another_sample(policy: Policy) -> None:
    """Where it draws by chance, a dozen samples do not all draw the same."""
    for grid in _fitting(policy):
        memory, _ = _taught(policy, grid)
        runs = [drive(policy, grid, memory, (7, i)) for i in range(12)]
        if all(math.prod(r.propensities.values()) < 0.5 for r in runs):
            differ = len({r.computed for r in runs}) > 1
            demand(differ, f"12 samples all computed {runs[0].computed}")


@rule
def takes_only_arms_that_fit(policy: Policy) -> None:
    """A policy with arms takes them in whole: never one that a forced step cuts short."""
    for grid in _fitting(policy):
        memory, _ = _taught(policy, grid)
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
def says_the_probability_of_every_draw(policy: Policy) -> None:
    """Propensities lie in (0, 1] and are what `arm_probabilities` gives for the arm taken."""
    for grid in _fitting(policy):
        memory, _ = _taught(policy, grid)
        for key in _KEYS:
            seen = drive(policy, grid, memory, key)
            skips = seen.skips(grid.steps)
            for k, p in seen.propensities.items():
                demand(0 < p <= 1, f"at step {k} the propensity is {p}")
                demand(k in skips, f"step {k} was not computed and has a propensity")
                if isinstance(policy, SkipLength):
                    _demand_probability(
                        policy, StepContext(grid, k, 0, key, PLAIN_SCHEME), memory, skips[k], p
                    )


@rule
def learns_only_when_told_to(policy: Policy) -> None:
    """A trajectory changes no memory, so the order of samples within a round does not matter."""
    for grid in _fitting(policy):
        memory, _ = _taught(policy, grid)
        before = _text(memory)
        drive(policy, grid, memory, (7, 9))
        demand(_text(memory) == before, "a trajectory changed the memory")


@rule
def leaves_a_frozen_memory_as_it_is(policy: Policy) -> None:
    """Nothing is learned from it and nothing explored; also an empty one can be frozen."""
    for grid in _fitting(policy):
        for memory in (_taught(policy, grid)[0].freeze(), policy.empty(grid).freeze()):
            before = _text(memory)
            for key in _KEYS:
                drive(policy, grid, memory, key)
            demand(_text(memory) == before, "a trajectory changed a frozen memory")
            demand(memory.frozen, "a trajectory thawed a frozen memory")


@rule
def its_memory_survives_being_saved(policy: Policy) -> None:
    """Through JSON, without the loss of a bit."""
    with tempfile.TemporaryDirectory() as folder:
        for grid in _fitting(policy):
            memory, _ = _taught(policy, grid)
            path = Path(folder) / "memory.json"
            save_memory(memory, path)
            again = load_memory(policy.empty(grid), path)
            demand(_text(again) == _text(memory), "a saved memory came back changed")


@rule
def halves_merge_to_the_whole(policy: Policy) -> None:
    """Two memories that learned half each make the one that learned all: counts to the last."""
    for grid in _fitting(policy):
        _, feedbacks = _taught(policy, grid)
        whole, left, right = (policy.empty(grid) for _ in range(3))
        for memory, part in ((whole, feedbacks), (left, feedbacks[:2]), (right, feedbacks[2:])):
            if isinstance(memory, BanditMemory) and isinstance(left, BanditMemory):
                memory.constants = left.constants  # measured on the first lesson alone
            for feedback in part:
                policy.learn(memory, feedback)
        left.merge(right)
        _demand_close(left.to_dict(), whole.to_dict(), "memory")


@rule
def a_lesson_of_nan_does_not_enter_memory(policy: Policy) -> None:
    """Nor one of infinity; and the policy goes on afterwards."""
    for grid in _fitting(policy):
        for bad in (math.nan, math.inf):
            memory, feedbacks = _taught(policy, grid)
            for known in (memory, policy.empty(grid)):
                policy.learn(known, _spoilt(feedbacks[0], bad))
                found = [v for v in _numbers(known.to_dict()) if not math.isfinite(v)]
                demand(not found, f"memory holds {found[:3]} after a lesson of {bad}")
                drive(policy, grid, known, (7, 1))


@rule
def tells_one_reward_for_each_observation(policy: Policy) -> None:
    """A number, or None where it has none; telling changes no memory."""
    for grid in _fitting(policy):
        memory, feedbacks = _taught(policy, grid)
        before = _text(memory)
        for known in (memory, policy.empty(grid)):
            seen = feedbacks[0].observations
            told = policy.rewards(known, seen)
            demand(len(told) == len(seen), f"{len(seen)} have {len(told)} rewards")
            plain = all(r is None or math.isfinite(r) for r in told)
            demand(plain, f"the rewards are {told}")
        demand(_text(memory) == before, "telling rewards changed the memory")


@rule
def says_why_a_grid_is_too_short(policy: Policy) -> None:
    """It runs on one to three steps, or says which parameter does not fit how many steps."""
    for steps in (1, 2, 3):
        try:
            drive(policy, uneven(steps, 1.0))
        except ValueError as error:
            text = str(error)
            told = "`" in text and f"{steps} steps" in text.replace("1 step ", "1 steps ")
            demand(told, f"a grid of {steps} steps is refused by {text!r}")


def _fitting(policy) -> list[Grid]:
    """Returns the grids that the policy does not refuse."""
    fitting, refusals = [], []
    for grid in grids().values():
        try:
            policy.begin(grid, policy.empty(grid))
            fitting.append(grid)
        except ValueError as error:
            refusals.append(str(error))
    demand(fitting, f"every grid is refused: {refusals}")
    return fitting


def _taught(policy, grid, samples: int = 4) -> tuple[Memory, list]:
    """Returns a memory that learned from a few trajectories, one by one, and their lessons."""
    memory, feedbacks = policy.empty(grid), []
    for i in range(samples):
        seen: Transcript = drive(policy, grid, memory, (3, i))
        feedbacks.append(seen.feedback)
        policy.learn(memory, seen.feedback)
    return memory, feedbacks


def _spoilt(feedback: Feedback, bad: float) -> Feedback:
    """Returns a lesson whose numbers are all ``bad``."""
    observations = tuple(replace(o, error=bad) for o in feedback.observations)
    gram = None if feedback.gram is None else np.full_like(feedback.gram, bad)
    return Feedback(observations, gram)


def _demand_probability(policy, context, memory, taken, propensity):
    arms = [m for m in policy.arms if m <= context.longest_skip]
    probabilities = [float(p) for p in policy.arm_probabilities(arms, context, memory)]
    valid = all(p >= 0 for p in probabilities) and abs(sum(probabilities) - 1) < 1e-9
    demand(valid, f"at step {context.index} the probabilities are {probabilities}")
    said = probabilities[arms.index(taken)]
    seen = f"at step {context.index} arm {taken} has propensity {propensity}, probability {said}"
    demand(abs(said - propensity) < 1e-12, seen)


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


def _demand_close(mine, theirs, where):
    """Counts are equal, other numbers to 1e-12 of the largest beside them."""
    if isinstance(theirs, dict):
        demand(mine.keys() == theirs.keys(), f"{where} has {list(mine)}, not {list(theirs)}")
        for name in theirs:
            _demand_close(mine[name], theirs[name], f"{where}.{name}")
    elif isinstance(theirs, list) and any(isinstance(v, float) for v in _numbers(theirs)):
        a, b = list(_numbers(mine)), list(_numbers(theirs))
        scale = max(map(abs, b))
        apart = max((abs(u - v) for u, v in zip(a, b, strict=True)), default=0.0)
        demand(apart <= 1e-12 * scale, f"{where} is {apart:.1e} apart of {scale:.1e}")
    else:
        demand(mine == theirs, f"{where} is {mine}, not {theirs}")
