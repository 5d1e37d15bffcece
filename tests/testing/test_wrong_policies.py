"""Negative controls: each wrong policy breaks exactly one rule."""

import random
from dataclasses import dataclass

import pytest

from fastflow import Policy, SkipLength
from fastflow.integration import Episode
from fastflow.policies import Memory
from fastflow.policies.arm_statistics import BanditMemory
from fastflow.policies.bandit import Bandit, greedy
from fastflow.policies.skip_length import Countdown
from fastflow.testing import failures


@dataclass(frozen=True, kw_only=True)
class GlobalDice(Policy):
    """Draws from the global random generator."""

    def begin(self, grid, memory):
        return Dice()


class Dice(Episode):
    def wants_model(self, context):
        return random.random() < 0.5


@dataclass(frozen=True, kw_only=True)
class SameDraws(SkipLength):
    """Draws the same for every sample."""

    def begin(self, grid, memory):
        return Alike(self, memory)

    def arm_probabilities(self, arms, context, memory):
        return [1 / len(arms)] * len(arms)


class Alike(Countdown):
    def draw(self, context):
        context._key = (0, 0)
        return super().draw(context)


@dataclass(frozen=True, kw_only=True)
class Unforced(SkipLength):
    """Draws arms that forced steps cut short."""

    def begin(self, grid, memory):
        return Blind(self, memory)

    def arm_probabilities(self, arms, context, memory):
        return [float(m == arms[-1]) for m in arms]


class Blind(Countdown):
    def draw(self, context):
        return self.policy.arms[-1]


@dataclass(frozen=True, kw_only=True)
class Meddler(Bandit):
    """Writes into a memory that is frozen."""

    def begin(self, grid, memory):
        if memory.frozen:
            memory.samples += 1
        return super().begin(grid, memory)

    def probabilities(self, stats, context):
        return greedy(stats.mean)


@dataclass(frozen=True, kw_only=True)
class Impatient(Bandit):
    """Counts a sample when it begins."""

    def begin(self, grid, memory):
        if not memory.frozen:
            memory.samples += 1
        return super().begin(grid, memory)

    def probabilities(self, stats, context):
        return greedy(stats.mean)


@dataclass(frozen=True, kw_only=True)
class Boaster(SkipLength):
    """Reports a probability of 1 for every draw."""

    def begin(self, grid, memory):
        return Certain(self, memory)

    def arm_probabilities(self, arms, context, memory):
        return [1 / len(arms)] * len(arms)


class Certain(Countdown):
    def draw(self, context):
        arm = super().draw(context)
        self.propensities[context.index] = 1.0
        return arm


@dataclass
class Forgetful(BanditMemory):
    def load_dict(self, content):
        super().load_dict(content)
        self.reward.m2[:] = 0


@dataclass(frozen=True, kw_only=True)
class Lossy(Bandit):
    """Loses the spread of its rewards when it is loaded."""

    def empty(self, grid):
        whole = super().empty(grid)
        return Forgetful(key=whole.key, arms=whole.arms, steps=whole.steps)

    def probabilities(self, stats, context):
        return greedy(stats.mean)


@dataclass
class Averaging(BanditMemory):
    def merge(self, other):
        mean = (self.reward.mean + other.reward.mean) / 2
        super().merge(other)
        self.reward.mean = mean


@dataclass(frozen=True, kw_only=True)
class Halving(Bandit):
    """Merges means without their weights."""

    def empty(self, grid):
        whole = super().empty(grid)
        return Averaging(key=whole.key, arms=whole.arms, steps=whole.steps)

    def probabilities(self, stats, context):
        return greedy(stats.mean)


@dataclass
class ErrorSum(Memory):
    """Holds a sum of errors."""

    total: float = 0.0

    def to_dict(self):
        return super().to_dict() | {"total": self.total}

    def load_dict(self, content):
        super().load_dict(content)
        self.total = content["total"]

    def merge(self, other):
        super().merge(other)
        self.total += other.total


@dataclass(frozen=True, kw_only=True)
class Credulous(Policy):
    """Sums errors, even if they are not finite."""

    def begin(self, grid, memory):
        return Alternate()

    def empty(self, grid):
        return ErrorSum()

    def learn(self, memory, feedback):
        memory.total += sum(o.error for o in feedback.observations)


class Alternate(Episode):
    def wants_model(self, context):
        return context.index % 2 == 0


@dataclass(frozen=True, kw_only=True)
class Mumbling(SkipLength):
    """Refuses short grids without a reason."""

    def check_fit(self, grid):
        if grid.steps < 7:
            raise ValueError("no")

    def arm_probabilities(self, arms, context, memory):
        return [1 / len(arms)] * len(arms)


@dataclass(frozen=True, kw_only=True)
class Curt(Policy):
    """Refuses a parameter without its name.

    Args:
        interval: one or more.
    """

    interval: int = 2

    def __post_init__(self):
        if self.interval < 1:
            raise ValueError("bad interval")

    def begin(self, grid, memory):
        return Alternate()


WRONG = {
    GlobalDice: "decides_the_same_on_a_replay",
    SameDraws: "draws_differently_for_another_sample",
    Unforced: "takes_only_arms_that_fit",
    Boaster: "reports_the_probability_of_every_draw",
    Impatient: "learns_only_in_learn",
    Meddler: "leaves_a_frozen_memory_unchanged",
    Lossy: "its_memory_survives_being_saved",
    Halving: "halves_merge_to_the_whole",
    Credulous: "feedback_of_nan_does_not_enter_memory",
    Mumbling: "states_why_a_grid_is_too_short",
    Curt: "names_the_field_and_the_value_that_it_refuses",
}

NAMES = [policy.__name__ for policy in WRONG]


@pytest.mark.parametrize(("policy", "broken"), WRONG.items(), ids=NAMES)
def test_breaks_exactly_its_rule(policy, broken):
    assert [b.rule for b in failures(policy())] == [broken]
