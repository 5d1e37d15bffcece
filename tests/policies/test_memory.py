"""Memory: saved, loaded, refused, merged."""

import json
from dataclasses import dataclass

import pytest

from fastflow.policies import Memory, Reward
from fastflow.registry import build
from fastflow.sampling.storage import load_memory, save_memory
from fastflow.testing import uneven
from fastflow_plugins.policies.bandits.ucb import UCB

GRID = uneven(12)


def trained(policy=None, reward=0.5):
    memory = (policy or UCB()).empty(GRID)
    memory.add(3, 2, 0.1, reward)
    memory.samples = 1
    return memory


def test_a_saved_memory_is_loaded_unchanged(tmp_path):
    memory = trained()
    memory.constants = {"unit": 0.1 + 0.2}
    save_memory(memory, tmp_path / "memory.json")
    assert load_memory(UCB().empty(GRID), tmp_path / "memory.json").to_dict() == memory.to_dict()
    assert [p.name for p in tmp_path.iterdir()] == ["memory.json"]


def test_a_memory_of_other_settings_is_refused_with_all_that_differs(tmp_path):
    path = tmp_path / "memory.json"
    save_memory(trained(), path)
    other = uneven(13)
    with pytest.raises(ValueError, match="cannot be loaded") as refusal:
        load_memory(UCB(arms=(0, 2)).empty(other), path)
    assert str(refusal.value) == (
        f"`memory` {str(path)!r}: this memory cannot be loaded: "
        "it was learned with other settings "
        "(arms: here [0, 2], there [0, 2, 4, 6]; "
        f"grid: here {other.digest!r}, there {GRID.digest!r}; "
        "steps: here 13, there 12). "
        "Learn again, or run with the same settings."
    )


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.json"
    with pytest.raises(ValueError, match="does not exist") as refusal:
        load_memory(Memory(), path)
    assert str(refusal.value) == f"`memory` {str(path)!r} does not exist. Give a memory.json."


@pytest.mark.parametrize("share", [0, 10, 200, -1])
def test_a_truncated_file_is_named_with_the_way_out(tmp_path, share):
    path = tmp_path / "memory.json"
    save_memory(trained(), path)
    path.write_text(path.read_text()[:share])
    with pytest.raises(ValueError, match="is not a whole JSON file") as refusal:
        load_memory(UCB().empty(GRID), path)
    text = str(refusal.value)
    assert text.startswith(f"`memory` {str(path)!r} is not a whole JSON file: ")
    assert text.endswith("it was cut off or is something else. Use another copy, or learn again.")


@pytest.mark.parametrize("content", ["[]", "3", "{}", '{"key": null}'])
def test_json_that_is_not_a_memory_is_refused(tmp_path, content):
    path = tmp_path / "memory.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"has no `samples`|must be an object"):
        load_memory(UCB().empty(GRID), path)


def test_a_table_of_the_wrong_shape_is_refused(tmp_path):
    path = tmp_path / "memory.json"
    content = trained().to_dict()
    content["reward"]["mean"] = [[0.0]]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"`mean` has shape \(1, 1\), expected \(12, 4\)"):
        load_memory(UCB().empty(GRID), path)


def test_merging_adds_counts_and_averages_rewards():
    memory = trained(reward=0.5)
    memory.merge(trained(reward=1.0))
    assert memory.samples == 2
    assert memory.reward.count[3].tolist() == [0, 2, 0, 0]
    assert memory.reward.mean[3, 1] == 0.75


def test_memories_of_other_settings_do_not_merge():
    with pytest.raises(ValueError, match=r"this memory cannot be merged: .*arms: here"):
        trained().merge(trained(UCB(arms=(0, 2))))


def test_memories_with_rewards_in_other_units_do_not_merge():
    a, b = trained(), trained()
    a.constants, b.constants = {"mu": 1.0}, {"mu": 2.0}
    with pytest.raises(ValueError, match="measured their reward's constants") as refusal:
        a.merge(b)
    assert str(refusal.value) == (
        "these memories measured their reward's constants on different generations, "
        "{'mu': 1.0} and {'mu': 2.0}: their rewards have different units. "
        "Start both from one memory of the first generation."
    )


def test_a_memory_that_learns_nothing_has_a_summary():
    memory = Memory()
    memory.merge(Memory(samples=3))
    assert memory.summary() == "nothing to learn; 3 samples seen"


def test_a_bandit_refuses_a_memory_that_is_not_a_bandits():
    with pytest.raises(ValueError, match="`memory` is not a bandit's"):
        UCB().begin(GRID, Memory())


def test_a_gram_matrix_of_another_number_of_steps_is_refused():
    key = {"steps": 12, "grid": "a"}
    content = {"samples": 1, "key": key, "gram": {"count": 1, "matrix": [[1.0, 0.5], [0.5, 1.0]]}}
    with pytest.raises(ValueError, match=r"^`gram` is of 2 steps, but this memory of 12: "):
        Memory(key=key).load_dict(content)


@dataclass(frozen=True, kw_only=True)
class OfWhatItSaw(Reward):
    """A reward whose constants depend on what it has seen, of which there must be something."""

    def calibrate(self, feedback, steps):
        return {f"arm {seen.arm}": seen.error for seen in [feedback[0], feedback[-1]]}

    def value(self, seen, constants):
        return -seen.error


def test_constants_that_depend_on_what_was_seen_are_loaded_again(tmp_path):
    policy = UCB(reward=OfWhatItSaw())
    memory = policy.empty(GRID)
    memory.constants = {"arm 2": 0.5}
    save_memory(memory, tmp_path / "memory.json")
    assert load_memory(policy.empty(GRID), tmp_path / "memory.json").constants == {"arm 2": 0.5}


@pytest.mark.parametrize("constants", [{}, {"other": 1.0}])
def test_constants_that_are_not_those_of_the_reward_are_named(tmp_path, constants):
    policy = UCB(reward=build("reward", {"component": "paper"}))
    memory = policy.empty(GRID)
    memory.constants = constants
    save_memory(memory, tmp_path / "memory.json")
    with pytest.raises(ValueError, match=r"memory.json'.*`constants` .* give no rewards"):
        load_memory(policy.empty(GRID), tmp_path / "memory.json")
