"""Bandits with a target: the number of computed steps is reached, frozen or not, and kept."""

from itertools import product

import numpy as np
import pytest

from fastflow import Request, Sampler
from fastflow.policies import BanditMemory, Drift
from fastflow.sampling.storage import load_memory, save_memory
from fastflow.testing import drive, uneven
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.models import Mixture
from fastflow_plugins.policies import UCB, EpsilonGreedy, Path, Thompson

SHORT = tuple(range(7))
KINDS = {
    "ucb": UCB(),
    "ucb_ahead": UCB(arms=SHORT, lookahead=True, side_observations=True, reward=Drift()),
    "epsilon_greedy": EpsilonGreedy(),
    "epsilon_greedy_ahead": EpsilonGreedy(arms=SHORT, lookahead=True, reward=Drift(), decay=0.1),
    "thompson": Thompson(),
    "path": Path(),
}


@pytest.fixture(scope="module")
def mixture():
    return Mixture().load()


def with_target(policy, steps):
    return type(policy)(**{**vars(policy), "computed_steps": steps})


def asked(first, count, steps=50):
    return [Request(i, "", i, steps) for i in range(first, first + count)]


@pytest.mark.parametrize(
    ("kind", "target"),
    [*product(KINDS, (25, 10)), ("ucb_ahead", 19), ("ucb_ahead", 14), ("thompson", 19)],
)
def test_the_target_is_reached_on_other_samples_after_24(mixture, kind, target):
    policy = with_target(KINDS[kind], target)
    sampler = Sampler(mixture, policy, Linear(), Interpolate(), max_batch=24)
    list(sampler.run(asked(0, 24)))
    for frozen in (False, True):
        sampler.memory.frozen = frozen
        taken = [len(s.computed) for s in sampler.generate(asked(100, 32))]
        assert abs(np.mean(taken) - target) <= 0.5


def learned(policy, grid, samples):
    memory = policy.empty(grid)
    for i in range(samples):
        policy.learn(memory, drive(policy, grid, memory, (0, i)).feedback)
    return memory


def mean_steps(policy, grid, memory, samples=100):
    taken = [drive(policy, grid, memory, (1, i)).computed for i in range(samples)]
    return np.mean([len(computed) for computed in taken])


def test_a_mean_between_whole_numbers_is_reached_too():
    policy, grid = UCB(computed_steps=10.5, lookahead=True), uneven(24)
    memory = learned(policy, grid, 3).freeze()
    assert mean_steps(policy, grid, memory) == pytest.approx(10.5, abs=0.2)


def test_one_memory_serves_every_target():
    grid, policy = uneven(24), UCB(computed_steps=12, lookahead=True)
    memory = learned(policy, grid, 3)
    for target in (8, 20):
        other = with_target(policy, target)
        assert other.empty(grid).key == memory.key
        assert mean_steps(other, grid, memory, 50) == pytest.approx(target, abs=0.3)


def test_steps_that_something_else_forces_are_made_up_for():
    """Samples that computed more steps than the target let the bandit aim lower, up to a tenth."""
    grid, policy = uneven(24), UCB(computed_steps=12, lookahead=True)
    memory = learned(policy, grid, 1).freeze()
    for samples, reached in ((64, 11), (64, 10), (128, 9.6)):
        for _ in range(samples):
            memory.aim(12, 14)
        assert mean_steps(policy, grid, memory, 60) == pytest.approx(reached, abs=0.2)


def test_a_warmup_sample_is_no_deviation_from_the_target():
    policy, grid = UCB(computed_steps=12), uneven(24)
    assert learned(policy, grid, 1).surplus == {}
    assert list(learned(policy, grid, 2).surplus) == ["12.0"]


def test_without_a_target_nothing_is_counted():
    assert learned(UCB(), uneven(24), 3).surplus == {}


def test_the_deviation_is_saved_and_merged(tmp_path):
    policy, grid = UCB(computed_steps=12), uneven(24)
    memory, other = policy.empty(grid), policy.empty(grid)
    memory.aim(12, 13)
    other.aim(12.0, 14)
    other.aim(8, 7)
    memory.merge(other)
    assert memory.surplus == {"12.0": 3.0, "8.0": -1.0}
    save_memory(memory, tmp_path / "memory.json")
    again = load_memory(policy.empty(grid), tmp_path / "memory.json")
    assert again.to_dict() == memory.to_dict()
    assert again.surplus == memory.surplus


def test_a_memory_without_targets_is_read_as_one_that_never_missed():
    policy, grid = UCB(computed_steps=12, lookahead=True), uneven(24)
    memory = learned(policy, grid, 1)
    content = memory.to_dict()
    del content["surplus"]  # as version 0.1 wrote it
    old = policy.empty(grid)
    old.load_dict(content)
    assert old.surplus == {}
    assert mean_steps(policy, grid, old, 50) == pytest.approx(12, abs=0.3)


def test_what_was_derived_is_derived_again_when_the_table_changes():
    policy, grid = UCB(computed_steps=12, lookahead=True), uneven(24)
    memory = learned(policy, grid, 1)
    drive(policy, grid, memory)
    assert memory.solved
    memory.add(3, 2, 0.1, 0.5)
    assert not memory.solved


def test_looking_ahead_takes_the_best_sum_where_the_best_reward_is_a_trap():
    """Skipping 3 steps is best at step 0, but then every later skip costs much."""
    grid = uneven(6, 1.0)
    memory = BanditMemory(arms=(0, 1, 3), steps=6)
    rewards = {(0, 0): 0.0, (0, 1): 0.5, (0, 3): 1.0, (2, 0): 0.0, (2, 1): 0.9, (4, 0): -3.0}
    for (k, m), reward in rewards.items():
        memory.add(k, m, 0.0, reward)
    memory.frozen = True
    computed = [
        drive(UCB(arms=(0, 1, 3), lookahead=ahead), grid, memory).computed[1]
        for ahead in (False, True)
    ]
    assert computed == [4, 2]


@pytest.mark.parametrize("target", [3, 25.5])
def test_a_target_out_of_reach_is_refused(target):
    policy, grid = UCB(computed_steps=target), uneven(24)
    with pytest.raises(ValueError, match="computed_steps") as refusal:
        policy.begin(grid, policy.empty(grid))
    assert str(refusal.value) == (
        "`computed_steps` must be from 6 to 24 on a grid of 24 steps with `arms` [0, 2, 4, 6], "
        f"got {target}. Give another policy.computed_steps, other arms, or other steps."
    )


def test_a_target_below_one_is_refused():
    with pytest.raises(ValueError, match=r"^`computed_steps` must be 1 or more, got 0.5.$"):
        UCB(computed_steps=0.5)


@pytest.mark.parametrize("kind", ["ucb_ahead", "thompson", "path"])
@pytest.mark.parametrize(
    "grid", [uneven(7), uneven(12, jumps=frozenset({6}))], ids=["few", "jump"]
)
def test_arms_that_fit_nowhere_do_not_keep_a_target_from_being_met(kind, grid):
    policy = with_target(KINDS[kind], grid.steps - 3)
    assert policy.arms[-1] > max(grid.longest_skip)
    memory = learned(policy, grid, 4).freeze()
    taken = [len(drive(policy, grid, memory, (0, i)).computed) for i in range(20)]
    assert abs(np.mean(taken) - (grid.steps - 3)) <= 0.5
