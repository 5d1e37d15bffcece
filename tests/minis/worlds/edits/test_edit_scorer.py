"""The scores of edits: true renders, shuffled instructions, and everything that can go wrong."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fastflow import Request
from fastflow_minis.worlds.drawing import Scene, SceneObject, render_scene
from fastflow_minis.worlds.edits.edit_language import EDIT_TASKS, parse_instruction
from fastflow_minis.worlds.edits.edit_scorer import EditScores, score_edit
from fastflow_minis.worlds.edits.edit_world import SceneEdit, held_out_edits, training_edit
from fastflow_plugins.metrics.edits import Edits

COUNT = 240
RED, BLUE, GREEN = (
    SceneObject("circle", "red", (16, 16), 24),
    SceneObject("square", "blue", (48, 16), 22),
    SceneObject("ring", "green", (16, 48), 22),
)
SCENE = Scene("white", (RED, BLUE, GREEN))
SOURCE = render_scene(SCENE)


@pytest.fixture(scope="module")
def edits():
    """Fresh edits, half of training's combinations and half of held-out ones, with images."""
    rng = np.random.default_rng(11)
    drawn = [training_edit(rng) for _ in range(COUNT // 2)] + held_out_edits(COUNT // 2)
    return [(edit, render_scene(edit.source), render_scene(edit.target)) for edit in drawn]


def _applies(edit: SceneEdit, asked) -> bool:
    """Returns whether an instruction asks for something else that the scene allows."""
    kinds = [(item.colour, item.shape) for item in edit.source.items]
    named = asked.task == "background" or ((asked.colour, asked.shape) in kinds) != (
        asked.task == "add"
    )
    same = (asked.task, asked.colour, asked.shape, asked.to) == (
        edit.task,
        edit.instruction.colour,
        edit.instruction.shape,
        edit.instruction.to,
    )
    return named and not same and asked.to != edit.source.background


def test_edits_as_asked_get_full_scores(edits):
    scores = [score_edit(source, edit.instruction, target) for edit, source, target in edits]
    assert np.mean([one.g_o for one in scores]) >= 0.99
    assert min(one.g_sc for one in scores) == 1.0


def test_another_instruction_that_the_scene_allows_seldom_scores(edits):
    others = [edit.instruction for edit, _, _ in edits]
    scores = []
    for number, (edit, source, target) in enumerate(edits[::2]):
        allowed = [asked for asked in others if _applies(edit, asked)]
        scores.append(score_edit(source, allowed[number % len(allowed)], target).g_o)
    assert np.mean(scores) <= 0.2


def test_the_result_of_another_edit_scores_nothing(edits):
    order = np.random.default_rng(0).permutation(len(edits))[:80]
    scores = [
        score_edit(source, edit.instruction, edits[i][2]).g_o
        for (edit, source, _), i in zip(edits, order, strict=False)
    ]
    assert np.mean(scores) <= 0.05


def test_doing_nothing_scores_nothing(edits):
    assert all(
        score_edit(source, edit.instruction, source).g_o == 0 for edit, source, _ in edits[::6]
    )


def test_edits_still_score_when_images_are_blurred_noisy_and_off_colour(edits):
    rng = np.random.default_rng(5)
    scores = []
    for edit, source, target in edits[::6]:
        padded = np.pad(target / 255.0, ((1, 1), (1, 1), (0, 0)), mode="edge")
        blurred = sum(padded[i : i + 64, j : j + 64] for i in range(3) for j in range(3)) / 9
        tint, noise = rng.uniform(-0.05, 0.05, 3), 0.02 * rng.standard_normal(target.shape)
        image = np.clip(0.5 * (target / 255.0 + blurred) + tint + noise, 0, 1)
        scores.append(score_edit(source, edit.instruction, image).g_o)
    assert np.mean(scores) >= 0.95


def _scores(text, *items, background="white"):
    return score_edit(SOURCE, text, render_scene(Scene(background, items)))


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("make the red circle green", replace(RED, colour="green"), 1.0),
        ("make the red circle green", replace(RED, colour="green", shape="cross"), 0.5),
        ("make the red circle green", replace(RED, colour="blue"), 0.0),
        ("make the red circle green", None, 0.0),
        ("turn the red circle into a cross", replace(RED, shape="cross"), 1.0),
        ("turn the red circle into a cross", replace(RED, shape="cross", colour="green"), 0.5),
        ("turn the red circle into a cross", replace(RED, shape="ring"), 0.0),
        ("remove the red circle", None, 1.0),
        ("remove the red circle", replace(RED, colour="blue"), 0.0),
        ("add a red cross in the bottom right", SceneObject("cross", "red", (47, 49), 22), 1.0),
        ("add a red cross in the bottom right", SceneObject("cross", "blue", (47, 49), 22), 0.0),
        ("move the red circle to the bottom right", replace(RED, centre=(47, 49)), 1.0),
        ("move the red circle to the bottom right", SceneObject("ring", "red", (47, 49), 24), 0.0),
    ],
)
def test_consistency_says_whether_the_edit_was_made(text, now, expected):
    others = (RED, BLUE, GREEN) if parse_instruction(text).task == "add" else (BLUE, GREEN)
    scores = _scores(text, *others, *([now] if now else []))
    assert scores == EditScores(expected, 1.0)


def test_an_object_that_changes_must_stay_where_it_is():
    strayed = replace(RED, colour="green", centre=(21, 16))
    assert _scores("make the red circle green", strayed, BLUE, GREEN).g_sc == 0.5


def test_what_was_moved_must_not_stay_as_well():
    copied = (RED, BLUE, GREEN, replace(RED, centre=(47, 49)))
    assert _scores("move the red circle to the bottom right", *copied).g_sc == 0.5


def test_a_background_is_changed_behind_objects_that_stay():
    text = "make the background black"
    assert _scores(text, RED, BLUE, GREEN, background="black") == EditScores(1.0, 1.0)
    assert _scores(text, RED, BLUE, GREEN, background="grey") == EditScores(0.0, 0.0)
    altered = _scores(text, RED, BLUE, replace(GREEN, colour="red"), background="black")
    assert altered == EditScores(1.0, 0.0)


@pytest.mark.parametrize(
    "others",
    [
        (BLUE,),
        (BLUE, replace(GREEN, colour="purple")),
        (BLUE, replace(GREEN, centre=(22, 48))),
        (BLUE, GREEN, SceneObject("circle", "yellow", (48, 48), 22)),
    ],
    ids=["lost", "recoloured", "strayed", "added"],
)
def test_quality_is_lost_with_what_was_to_stay(others):
    scores = _scores("remove the red circle", *others)
    assert scores.g_sc == 1.0
    assert scores.g_pq == 0.0


def test_quality_falls_with_specks_and_with_objects_the_world_does_not_have():
    clean = render_scene(Scene("white", (BLUE, GREEN)))
    specked, smeared = clean.copy(), clean.copy()
    specked[14:18, 12:20] = 0
    assert score_edit(SOURCE, "remove the red circle", specked).g_pq == pytest.approx(1 - 32 / 60)
    smeared[4:30, 13:18] = (225, 35, 35)
    assert score_edit(SOURCE, "remove the red circle", smeared) == EditScores(
        0.0, pytest.approx(2 / 3)
    )


def test_an_edge_may_be_softer_or_a_pixel_off():
    target = render_scene(Scene("white", (BLUE, GREEN)))
    assert score_edit(SOURCE, "remove the red circle", np.roll(target, 1, axis=1)).g_pq >= 0.95


def test_the_overall_score_is_the_geometric_mean():
    assert EditScores(0.5, 0.5).g_o == pytest.approx(0.5)
    assert EditScores(1.0, 0.25).g_o == pytest.approx(0.5)
    assert EditScores(0.0, 1.0).g_o == 0.0


@pytest.mark.parametrize("items", [(BLUE,), (RED, replace(RED, centre=(48, 48)))])
def test_a_source_that_does_not_show_one_such_object_is_refused(items):
    source = render_scene(Scene("white", items))
    with pytest.raises(ValueError, match="`source`") as error:
        score_edit(source, "erase the red circle", source)
    count = len(items) if RED in items else 0
    assert str(error.value) == (
        f"`source` must show one red circle for 'erase the red circle', it shows {count}."
    )


def test_float_and_8_bit_images_get_the_same_scores(edits):
    for task in EDIT_TASKS:
        edit, source, target = next(one for one in edits if one[0].task == task)
        scores = score_edit(source, edit.instruction, target)
        assert score_edit(source / 255.0, edit.instruction.text, target / 255.0) == scores


def _measured(text, image=SOURCE, output=SOURCE):
    image = None if image is None else Image.fromarray(image)
    found = Edits().score(Image.fromarray(output), Request(0, text, 0, image=image))
    return {name: found[name] for name in ("g_sc", "g_pq", "g_o", "score") if name in found}


def test_the_metric_gives_the_scores_with_the_overall_one_as_score():
    done = render_scene(Scene("white", (BLUE, GREEN)))
    full = {"g_sc": 1.0, "g_pq": 1.0, "g_o": 1.0, "score": 1.0}
    assert _measured("remove the red circle", output=done) == full
    assert _measured("remove the red circle") == full | {"g_sc": 0.0, "g_o": 0.0, "score": 0.0}


@pytest.mark.parametrize(
    ("text", "image", "output"),
    [
        ("remove the red circle", None, SOURCE),
        ("a photo of a red circle", SOURCE, SOURCE),
        ("remove the purple circle", SOURCE, SOURCE),
        ("remove the red circle", SOURCE[:32], SOURCE),
        ("remove the red circle", SOURCE[:32], SOURCE[:32]),
    ],
    ids=["no_source", "no_instruction", "not_in_the_source", "other_size", "no_scene"],
)
def test_the_metric_says_nothing_of_what_is_not_an_edit_of_a_scene(text, image, output):
    image = None if image is None else Image.fromarray(image)
    request = Request(0, text, 0, image=image)
    assert Edits().score(Image.fromarray(output), request) == {}
