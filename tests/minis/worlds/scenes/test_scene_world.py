"""The world: captions, combinations and drawings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastflow_minis.worlds.drawing import render_scene
from fastflow_minis.worlds.scenes.scene_language import (
    SCENE_GRAMMAR,
    SCENE_TASKS,
    AskedObject,
    parse_caption,
)
from fastflow_minis.worlds.scenes.scene_split import (
    is_held_out_scene,
    scene_captions,
    scene_combinations,
)
from fastflow_minis.worlds.scenes.scene_world import held_out_captions, scene_of, training_scene


def _combination(caption):
    """Reads a caption's combination independently of how it was made."""
    words = caption.lower().split()[3:]
    if "on" in words and parse_caption(caption).task != "single_object":
        words = words[: words.index("on")]
    skipped = {"a", "one", "on", "and", "background"}
    joined = " ".join(w for w in words if w not in skipped)
    for relation in ("left of", "right of"):
        joined = joined.replace(relation, relation.replace(" ", "_"))
    singular = {"circles": "circle", "squares": "square", "triangles": "triangle"}
    singular |= {"crosses": "cross", "rings": "ring"}
    return tuple(singular.get(w, w).replace("_", " ") for w in joined.split())


def test_held_out_combinations_never_occur_in_training():
    rng = np.random.default_rng(0)
    for _ in range(10_000):
        scene, caption = training_scene(rng)
        task, combination = parse_caption(caption).task, _combination(caption)
        assert not is_held_out_scene(task, combination), caption
        if task == "single_object":
            assert not is_held_out_scene(task, (scene.items[0].shape, scene.background))


def test_every_held_out_prompt_asks_for_a_held_out_combination():
    prompts = held_out_captions(300)
    assert all(is_held_out_scene(p.task, _combination(p.text)) for p in prompts)


def test_held_out_prompts_are_distinct_balanced_and_the_same_every_time():
    prompts = held_out_captions(300)
    assert len({p.text for p in prompts}) == 300
    assert [sum(p.task == task for p in prompts) for task in SCENE_TASKS] == [50] * 6
    assert prompts == held_out_captions(300)
    assert prompts[:60] == held_out_captions(60)
    assert prompts != held_out_captions(300, seed=1)


def test_asking_for_too_many_held_out_prompts_names_the_limit():
    with pytest.raises(ValueError, match="`count`") as error:
        held_out_captions(301)
    assert str(error.value) == (
        "`count` must be from 0 to 300, got 301: there are no more held-out prompts for the "
        "rarest task. Repeat prompts with other noise for more images."
    )


@pytest.mark.parametrize("task", SCENE_TASKS)
def test_every_word_of_a_held_out_combination_is_seen_in_training(task):
    held = {w for c in scene_combinations(task) if is_held_out_scene(task, c) for w in c}
    seen = {w for c in scene_combinations(task) if not is_held_out_scene(task, c) for w in c}
    assert held
    assert held <= seen


@pytest.mark.parametrize("task", SCENE_TASKS)
def test_between_a_tenth_and_a_third_of_the_combinations_is_held_out(task):
    verdicts = [is_held_out_scene(task, c) for c in scene_combinations(task)]
    assert 0.1 <= sum(verdicts) / len(verdicts) <= 1 / 3


def test_captions_that_mean_the_same_are_held_out_together():
    for first, second in scene_combinations("two_objects"):
        same = is_held_out_scene("two_objects", (second, first))
        assert is_held_out_scene("two_objects", (first, second)) == same
    opposite = {"left of": "right of", "above": "below", "right of": "left of", "below": "above"}
    for first, relation, second in scene_combinations("position"):
        same = is_held_out_scene("position", (second, opposite[relation], first))
        assert is_held_out_scene("position", (first, relation, second)) == same
    for c1, s1, c2, s2 in scene_combinations("colour_attribution"):
        same = is_held_out_scene("colour_attribution", (c2, s2, c1, s1))
        assert is_held_out_scene("colour_attribution", (c1, s1, c2, s2)) == same


@given(st.data())
def test_parsing_a_caption_gives_back_its_task_and_combination(data):
    task = data.draw(st.sampled_from(SCENE_TASKS))
    combination = data.draw(st.sampled_from(scene_combinations(task)))
    caption = data.draw(st.sampled_from(list(scene_captions(task, combination))))
    prompt = parse_caption(f"  {caption.upper()}. ")
    assert prompt.text == caption
    assert prompt.task == task
    assert _combination(prompt.text) == combination


def test_a_prompt_says_what_is_asked():
    prompt = parse_caption("a photo of three green squares")
    assert prompt.objects == (AskedObject("square", "green", 3),)
    prompt = parse_caption("an image of a ring below a cross")
    assert (prompt.objects, prompt.relation) == (
        (AskedObject("ring"), AskedObject("cross")),
        "below",
    )
    assert parse_caption("a drawing of a ring on a grey background").background == "grey"


@pytest.mark.parametrize("caption", ["", "a photo of a dog", "a ring", "two red rings"])
def test_a_sentence_outside_the_language_is_refused_with_the_grammar(caption):
    with pytest.raises(ValueError, match="`caption`") as error:
        parse_caption(caption)
    message = str(error.value)
    assert message.startswith(
        f"`caption` must be in the language of the scenes, got {caption!r}. Use {SCENE_GRAMMAR}"
    )
    assert "the shapes circle, square, triangle, cross, ring" in message


def test_rendering_is_deterministic_and_stays_in_range():
    scene, _ = training_scene(np.random.default_rng(3))
    image = render_scene(scene)
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, render_scene(scene))


def test_scenes_depend_on_nothing_but_the_random_numbers():
    draws = [training_scene(np.random.default_rng(7)) for _ in range(2)]
    assert draws[0] == draws[1]


def test_a_scene_of_a_prompt_shows_as_many_objects_as_asked():
    scene = scene_of(parse_caption("a photo of four red rings"), np.random.default_rng(0))
    assert [(i.shape, i.colour) for i in scene.items] == [("ring", "red")] * 4


@pytest.mark.parametrize(
    ("relation", "first", "second"),
    [
        ("left of", (16, 16), (48, 16)),
        ("right of", (48, 16), (16, 16)),
        ("above", (16, 16), (16, 48)),
        ("below", (16, 48), (16, 16)),
    ],
)
def test_objects_lie_as_the_relation_says(relation, first, second):
    prompt = parse_caption(f"a photo of a ring {relation} a cross")
    items = scene_of(prompt, np.random.default_rng(0)).items
    assert [item.shape for item in items] == ["ring", "cross"]
    for item, place in zip(items, (first, second)):
        assert np.abs(np.subtract(item.centre, place)).max() <= 2


def test_several_objects_stand_in_reading_order():
    scene = scene_of(parse_caption("a photo of three red rings"), np.random.default_rng(0))
    quadrants = [(x > 32, y > 32) for x, y in (item.centre for item in scene.items)]
    assert quadrants == [(False, False), (True, False), (False, True)]
