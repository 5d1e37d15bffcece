"""The world of edits: instructions, combinations, scenes before and after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastflow_minis.worlds.drawing import QUADRANTS, render_scene
from fastflow_minis.worlds.edits.edit_language import (
    EDIT_TASKS,
    EDIT_WORDINGS,
    Instruction,
    parse_instruction,
    wordings,
    words_of_edits,
)
from fastflow_minis.worlds.edits.edit_split import edit_combinations, is_held_out_edit
from fastflow_minis.worlds.edits.edit_world import held_out_edits, training_edit


def _combination(edit):
    """Reads an edit's combination independently of how it was made."""
    asked = edit.instruction
    if asked.task == "background":
        return (edit.source.background, edit.target.background)
    said = [word for word in (asked.colour, asked.shape, asked.to) if word]
    assert all(word in asked.text for word in said)
    return tuple(said)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return [training_edit(rng) for _ in range(3_000)]


def test_held_out_combinations_never_occur_in_training(drawn):
    assert not any(is_held_out_edit(edit.task, _combination(edit)) for edit in drawn)


def test_every_held_out_edit_is_of_a_held_out_combination():
    assert all(is_held_out_edit(edit.task, _combination(edit)) for edit in held_out_edits(300))


def test_held_out_edits_are_distinct_balanced_and_the_same_every_time():
    edits = held_out_edits(300)
    assert len({(edit.source, edit.instruction) for edit in edits}) == 300
    assert [sum(edit.task == task for edit in edits) for task in EDIT_TASKS] == [50] * 6
    assert edits == held_out_edits(300)
    assert edits[:60] == held_out_edits(60)
    assert edits != held_out_edits(300, seed=1)
    with pytest.raises(ValueError, match="`count` must be 0 or more, got -1"):
        held_out_edits(-1)


@pytest.mark.parametrize("task", EDIT_TASKS)
def test_every_word_of_a_held_out_combination_is_seen_in_training(task):
    words = {True: set(), False: set()}
    for combination in edit_combinations(task):
        words[is_held_out_edit(task, combination)] |= set(enumerate(combination))
    assert words[True]
    assert words[True] <= words[False]


@pytest.mark.parametrize("task", EDIT_TASKS)
def test_between_a_tenth_and_a_third_of_the_combinations_is_held_out(task):
    verdicts = [is_held_out_edit(task, c) for c in edit_combinations(task)]
    assert 0.1 <= sum(verdicts) / len(verdicts) <= 1 / 3


def test_an_unknown_task_has_no_combinations():
    with pytest.raises(ValueError, match="`task` must be one of recolour, replace, add"):
        edit_combinations("rotate")


@given(st.data())
def test_parsing_an_instruction_gives_back_its_meaning(data):
    task = data.draw(st.sampled_from(EDIT_TASKS))
    combination = data.draw(st.sampled_from(edit_combinations(task)))
    meaning = ("", "", combination[1]) if task == "background" else combination
    instruction = data.draw(st.sampled_from(wordings(task, *meaning)))
    assert parse_instruction(f"  {instruction.text.upper()}. ") == instruction


def test_an_instruction_says_what_is_asked():
    text = "move the red ring to the top left"
    assert parse_instruction(text) == Instruction(text, "move", "red", "ring", "top left")
    text = "erase the red ring"
    assert parse_instruction(text) == Instruction(text, "remove", "red", "ring", "")


@pytest.mark.parametrize("text", ["", "remove the dog", "make the red ring big", "a red ring"])
def test_a_sentence_outside_the_language_is_refused_with_the_grammar(text):
    with pytest.raises(ValueError, match="`text`") as error:
        parse_instruction(text)
    message = str(error.value)
    start = f"`text` must be an instruction to edit a scene, got {text!r}. Use one of\n  make the "
    assert message.startswith(start)
    assert all(form in message for forms in EDIT_WORDINGS.values() for form in forms)
    assert message.endswith("the places top left, top right, bottom left, bottom right.")


def test_every_word_that_is_said_is_known(drawn):
    assert {word for edit in drawn for word in edit.instruction.text.split()} == set(
        words_of_edits()
    )


def test_a_scene_has_an_object_in_a_quadrant_no_two_alike_and_is_never_empty(drawn):
    for edit in drawn:
        kinds = [(item.colour, item.shape) for item in edit.source.items]
        assert len(set(kinds)) == len(kinds)
        for scene in (edit.source, edit.target):
            assert 1 <= len(scene.items) <= 4
            quadrants = [
                [np.abs(np.subtract(item.centre, q)).max() <= 2 for q in QUADRANTS].index(True)
                for item in scene.items
            ]
            assert len(set(quadrants)) == len(quadrants)


def test_the_edit_changes_what_is_asked_and_nothing_else(drawn):
    for edit in drawn:
        asked = edit.instruction
        gone = set(edit.source.items) - set(edit.target.items)
        came = set(edit.target.items) - set(edit.source.items)
        if asked.task == "background":
            assert (gone, came, edit.target.background) == (set(), set(), asked.to)
            continue
        assert edit.source.background == edit.target.background
        numbers = {"add": (0, 1), "remove": (1, 0)}.get(asked.task, (1, 1))
        assert (len(gone), len(came)) == numbers
        for old in gone:
            assert (old.colour, old.shape) == (asked.colour, asked.shape)
        for new, old in zip(came, gone, strict=False):
            names = ("shape", "colour", "centre", "size")
            changed = [name for name in names if getattr(new, name) != getattr(old, name)]
            expected = {"recolour": "colour", "replace": "shape", "move": "centre"}[edit.task]
            assert changed == [expected]


def test_edits_depend_on_nothing_but_the_random_numbers():
    first, second = (training_edit(np.random.default_rng(7)) for _ in range(2))
    assert first == second
    np.testing.assert_array_equal(render_scene(first.target), render_scene(second.target))
