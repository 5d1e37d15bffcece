"""The memories of one pipeline: one for each time grid, all in one file."""

import json

import pytest

from fastflow.acceleration.memory_store import MemoryStore
from fastflow.integration import Scheme
from fastflow.integration.feedback import Feedback
from fastflow.policies import Learning
from fastflow.sampling.storage import save_memory
from fastflow.testing import drive, uneven
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.policies.bandits.ucb import UCB
from fastflow_plugins.policies.never import Never

POLICY = UCB(arms=(0, 1, 2))
SCHEME = Scheme(Linear(), Interpolate())
LEARNING = Learning(POLICY, SCHEME, "Tiny")
KEY = LEARNING.key
SHORT, LONG = uneven(10), uneven(16)


def learned():
    """Returns memories that have learned from two calls on one grid and one call on another."""
    memories = MemoryStore(LEARNING)
    for grid in (SHORT, LONG, SHORT):
        learn(memories, grid)
    return memories


def learn(memories, grid):
    memory = memories.of(grid)
    feedback = drive(POLICY, grid, memory=memory).feedback
    POLICY.learn(memory, feedback)


def test_each_grid_has_a_memory_of_its_own_and_keeps_it():
    memories = learned()
    assert memories.of(SHORT) is memories.of(uneven(10))
    assert memories.of(SHORT) is not memories.of(LONG)
    assert (memories.of(SHORT).samples, memories.of(LONG).samples) == (2, 1)
    assert memories.samples == 3


def test_the_key_of_the_pipeline_is_part_of_every_memory_s_key():
    memory = learned().of(SHORT)
    assert KEY.items() <= memory.key.items()
    assert memory.key["grid"] == SHORT.digest


def test_saved_memories_load_as_they_were(tmp_path):
    memories, path = learned(), tmp_path / "memories.json"
    memories.save(path)
    again = MemoryStore(LEARNING).load(path)
    assert again.samples == 3
    assert again.to_list() == json.loads(path.read_text())["memories"]
    assert again.of(LONG).to_dict() == memories.of(LONG).to_dict()
    assert again.of(SHORT).to_dict() == memories.of(SHORT).to_dict()
    assert again.samples == 3


def test_loaded_memories_of_unused_grids_are_saved_again(tmp_path):
    memories, path = learned(), tmp_path / "memories.json"
    memories.save(path)
    again = MemoryStore(LEARNING).load(path)
    learn(again, LONG)
    again.save(path)
    third = MemoryStore(LEARNING).load(path)
    assert third.samples == 4
    assert third.of(SHORT).to_dict() == memories.of(SHORT).to_dict()


def test_loading_replaces_what_was_learned_on_the_same_grid(tmp_path):
    memories, path = learned(), tmp_path / "memories.json"
    memories.save(path)
    other = MemoryStore(LEARNING)
    learn(other, SHORT)
    other.load(path)
    assert other.of(SHORT).to_dict() == memories.of(SHORT).to_dict()


def test_freezing_freezes_all_memories(tmp_path):
    memories, path = learned(), tmp_path / "memories.json"
    assert memories.freeze() is memories
    assert memories.of(SHORT).frozen
    assert memories.of(uneven(12)).frozen
    memories.save(path)
    assert not MemoryStore(LEARNING).load(path).of(SHORT).frozen


def test_a_memory_of_a_single_run_can_be_loaded(tmp_path):
    memories, path = learned(), tmp_path / "memory.json"
    save_memory(memories.of(SHORT), path)
    again = MemoryStore(LEARNING).load(path)
    assert again.of(SHORT).to_dict() == memories.of(SHORT).to_dict()
    assert again.samples == 2


def test_memories_of_another_pipeline_are_refused_with_what_differs(tmp_path):
    path = tmp_path / "memories.json"
    learned().save(path)
    other = MemoryStore(Learning(POLICY, SCHEME, "Other"))
    message = "this memory cannot be loaded: .*model: here 'Other', there 'Tiny'"
    with pytest.raises(ValueError, match=message):
        other.load(path)
    assert other.samples == 0


def test_memories_of_other_arms_are_refused_at_once(tmp_path):
    path = tmp_path / "memories.json"
    learned().save(path)
    other = MemoryStore(Learning(UCB(arms=(0, 1)), SCHEME, "Tiny"))
    with pytest.raises(ValueError, match=r"arms: here \[0, 1\], there \[0, 1, 2\]"):
        other.load(path)
    assert other.samples == 0


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mean", lambda table: [[float("nan")] * 3] * 10, "`mean` must be finite numbers"),
        ("count", lambda table: [[-1] * 3] * 10, "`count` must be 0 or more, got -1"),
        ("count", lambda table: [[0.5] * 3] * 10, "`count` must be whole numbers"),
        ("m2", lambda table: table[:-1], r"`m2` has shape \(9, 3\), expected \(10, 3\)"),
        ("mean", lambda table: [["a"]], "`mean` must be numbers in lists of one length"),
    ],
)
def test_a_table_that_no_grid_could_use_is_refused_before_any_call(
    tmp_path, name, change, message
):
    path = tmp_path / "memories.json"
    store = learned()
    store.save(path)
    content = json.loads(path.read_text())
    memory = next(m for m in content["memories"] if m["steps"] == SHORT.steps)
    memory["reward"][name] = change(memory["reward"][name])
    path.write_text(json.dumps(content))
    fresh = MemoryStore(LEARNING)
    with pytest.raises(ValueError, match=f"^`memory` '{path}': {message}"):
        fresh.load(path)
    assert fresh.to_list() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a whole JSON file"),
        ("[]", "its content must be an object"),
        ('{"memories": [{}]}', ", `memories.0`: has no `samples`"),
        (None, "does not exist"),
    ],
)
def test_a_damaged_file_is_named_and_refused(tmp_path, content, message):
    path = tmp_path / "memories.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=f"^`memory` '{path}',? ?{message.lstrip(', ')}"):
        MemoryStore(LEARNING).load(path)


def test_the_summary_has_every_grid_and_its_calls():
    summary = learned().summary()
    assert f"grid {SHORT.digest}, 2 calls\n" in summary
    assert f"grid {LONG.digest}, 1 calls\n" in summary
    assert MemoryStore(LEARNING).summary() == "nothing learned yet"


def test_a_policy_that_learns_nothing_has_nothing_to_save(tmp_path):
    memories, path = MemoryStore(Learning(Never(), SCHEME, "Tiny")), tmp_path / "memories.json"
    Never().learn(memories.of(SHORT), Feedback())
    assert memories.to_list() == []
    memories.save(path)
    assert MemoryStore(Learning(Never(), SCHEME, "Tiny")).load(path).samples == 0
