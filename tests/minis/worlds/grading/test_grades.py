"""Grades of true renders, of renders with noise and blur, and of what shows nothing."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from fastflow_minis.worlds.drawing import Scene, SceneObject, render_scene
from fastflow_minis.worlds.edits.edit_grades import grade_edit
from fastflow_minis.worlds.edits.edit_world import held_out_edits
from fastflow_minis.worlds.scenes.scene_grades import grade_scene
from fastflow_minis.worlds.scenes.scene_world import held_out_captions, scene_of
from fastflow_minis.worlds.videos.video_grades import grade_video
from fastflow_minis.worlds.videos.video_language import parse_motion
from fastflow_minis.worlds.videos.video_world import held_out_motions, render_video, video_of

GRADES = {"shape_overlap", "colour_distance", "edge_sharpness", "background_noise"}
BETTER_IF_LARGER = {"shape_overlap", "edge_sharpness"}
WORST = {
    "shape_overlap": 0.0,
    "colour_distance": 100.0,
    "edge_sharpness": 0.0,
    "background_noise": 50.0,
    "unasked_change": 50.0,
    "path_deviation_px": 32.0,
}
EXTRA = {"scenes": set(), "edits": {"unasked_change"}, "videos": {"path_deviation_px"}}
RED = SceneObject("circle", "red", (16, 16), 24)
BLUE = SceneObject("square", "blue", (48, 16), 22)
CAPTION = "a video of a red circle moving right slowly on a white background"


@pytest.fixture(scope="module")
def worlds():
    """Pairs of a grading function and the true render, by world."""
    rng = np.random.default_rng(0)
    return {
        "scenes": [
            (partial(_of_scene, asked), render_scene(scene_of(asked, rng)))
            for asked in held_out_captions(6)
        ],
        "edits": [
            (
                partial(grade_edit, render_scene(edit.source), edit.instruction),
                render_scene(edit.target),
            )
            for edit in held_out_edits(6)
        ],
        "videos": [
            (partial(_of_video, asked), render_video(video_of(asked, rng)))
            for asked in held_out_motions(3)
        ],
    }


def _of_scene(asked, image):
    return grade_scene(image, asked)


def _of_video(asked, video):
    return grade_video(video, asked)


def _means(pairs, spoil=lambda image: image):
    graded = [grade(spoil(image)).numbers() for grade, image in pairs]
    return {name: np.mean([one[name] for one in graded]) for name in graded[0]}


def _noisy(strength, image):
    noise = np.random.default_rng(7).standard_normal(image.shape)
    return np.clip(image / 255 + strength * noise, 0, 1)


def _blurred(radius, image):
    """Blurs by a Gaussian of some standard deviation in pixels; edges are repeated."""
    reach = int(4 * radius)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * radius**2))
    blurred = image / 255
    for axis in (-3, -2):
        pads = [(0, 0)] * image.ndim
        pads[axis] = (reach, reach)
        padded = np.pad(blurred, pads, mode="edge")
        parts = (np.take(padded, np.arange(i, i + 64), axis) for i in range(2 * reach + 1))
        blurred = sum(w * part for w, part in zip(weights / weights.sum(), parts, strict=True))
    return blurred


def _grows_worse(values, name, tolerance=0.0):
    signed = np.array(values) * (-1 if name in BETTER_IF_LARGER else 1)
    return bool((np.diff(signed) >= -tolerance).all() and signed[-1] > signed[0])


@pytest.mark.parametrize("world", EXTRA)
def test_true_renders_have_the_best_grades(worlds, world):
    for grade, image in worlds[world]:
        grades = grade(image).numbers()
        assert grades.keys() == GRADES | EXTRA[world]
        best = dict.fromkeys(grades, 0.0) | dict.fromkeys(BETTER_IF_LARGER, 1.0)
        assert grades == pytest.approx(best, abs=0.005)


@pytest.mark.parametrize("world", EXTRA)
def test_every_grade_but_sharpness_grows_worse_with_noise(worlds, world):
    means = [_means(worlds[world], partial(_noisy, s)) for s in (0, 0.01, 0.03, 0.1, 0.2, 0.4)]
    for name in means[0].keys() - {"edge_sharpness", "path_deviation_px"}:
        assert _grows_worse([one[name] for one in means], name), name
    # Noise makes no edge sharper: the gradients of noise are not those of the drawing.
    assert _grows_worse([one["edge_sharpness"] for one in means], "edge_sharpness", 0.002)


@pytest.mark.parametrize("world", EXTRA)
def test_every_grade_grows_worse_with_blur(worlds, world):
    means = [_means(worlds[world], partial(_blurred, r)) for r in (0.01, 0.5, 1, 1.5, 2, 3)]
    for name in means[0].keys() - {"path_deviation_px"}:
        assert _grows_worse([one[name] for one in means], name), name


@pytest.mark.parametrize("world", EXTRA)
@pytest.mark.parametrize("level", [0, 12, 130, 255])
def test_an_image_of_one_colour_has_the_worst_grades_of_its_objects(worlds, world, level):
    for grade, image in worlds[world]:
        grades = grade(np.full_like(image, level)).numbers()
        assert (grades["shape_overlap"], grades["edge_sharpness"]) == (0.0, 0.0)
        assert grades["colour_distance"] >= 50.0
        assert grades["background_noise"] == 0.0
        if world == "videos":
            assert grades["path_deviation_px"] == WORST["path_deviation_px"]


@pytest.mark.parametrize("world", EXTRA)
def test_anything_has_grades_between_the_best_and_the_worst(worlds, world):
    rng = np.random.default_rng(3)
    shape = worlds[world][0][1].shape
    stripes = np.broadcast_to(np.arange(64)[:, None, None] % 2, shape).astype(float)
    for image in (rng.random(shape), stripes, np.full(shape, np.nan), rng.normal(0, 9, shape)):
        for grade, _ in worlds[world]:
            grades = grade(image).numbers()
            assert grades.keys() == GRADES | EXTRA[world]
            for name, value in grades.items():
                low, high = sorted((WORST[name], 1.0 if name in BETTER_IF_LARGER else 0.0))
                assert low <= value <= high


@pytest.mark.parametrize("world", EXTRA)
def test_the_answer_to_another_prompt_is_graded_worse(worlds, world):
    images = [image for _, image in worlds[world]]
    true = _means(worlds[world])
    shuffled = [(g, i) for (g, _), i in zip(worlds[world], images[1:] + images[:1], strict=True)]
    wrong = _means(shuffled)
    for name in true:
        assert _grows_worse([true[name], wrong[name]], name)


@pytest.mark.parametrize("world", EXTRA)
def test_float_and_8_bit_images_get_the_same_grades(worlds, world):
    grade, image = worlds[world][1]
    assert grade(image / 255).numbers() == pytest.approx(grade(image).numbers(), abs=1e-6)


def _scene(*items, text="a photo of a red circle and a blue square", background="white"):
    return grade_scene(render_scene(Scene(background, items)), text)


def test_a_missing_object_counts_as_the_worst():
    grades = _scene(RED)
    assert grades.shape_overlap == pytest.approx(0.5, abs=0.001)
    assert grades.edge_sharpness == pytest.approx(0.5, abs=0.001)
    assert grades.colour_distance == pytest.approx(100 / 3, abs=1e-6)  # two objects, one ground


def test_only_the_colour_distance_tells_another_colour():
    true, other = _scene(RED, BLUE), _scene(RED, replace(BLUE, colour="green"))
    assert other.colour_distance > 30 > 1 > true.colour_distance
    assert other.shape_overlap == pytest.approx(true.shape_overlap, abs=0.005)


def test_only_the_overlap_and_the_edges_tell_another_shape():
    other = _scene(RED, replace(BLUE, shape="ring"))
    assert other.shape_overlap < 0.9
    assert other.edge_sharpness < 0.9
    assert other.colour_distance < 20


def test_an_object_that_nobody_asked_for_is_noise_in_the_background():
    assert _scene(RED, BLUE).background_noise == 0.0
    extra = _scene(RED, BLUE, SceneObject("ring", "green", (16, 48), 22))
    assert 10 < extra.background_noise < 25
    assert extra.shape_overlap == pytest.approx(1, abs=0.005)


def test_another_background_is_at_a_distance_only_if_one_is_asked_for():
    text = "a photo of a red circle"
    assert _scene(RED, text=text, background="grey").colour_distance < 0.01
    asked = _scene(RED, text=text + " on a black background", background="grey")
    assert asked.colour_distance > 20


def test_objects_in_the_wrong_order_are_compared_with_what_is_in_their_place():
    text = "a photo of a circle left of a square"
    assert _scene(RED, BLUE, text=text).shape_overlap == pytest.approx(1, abs=0.005)
    swapped = _scene(replace(RED, centre=(48, 16)), replace(BLUE, centre=(16, 16)), text=text)
    assert swapped.shape_overlap < 0.85
    assert swapped.edge_sharpness < 0.5


def _edit(*items, text="move the red circle to the bottom right", background="white"):
    source = render_scene(Scene("white", (RED, BLUE)))
    return grade_edit(source, text, render_scene(Scene(background, items)))


def test_what_was_to_stay_counts_if_it_changes_and_what_was_to_change_does_not():
    moved = replace(RED, centre=(48, 48))
    assert _edit(moved, BLUE).unasked_change == 0.0
    shifted = [_edit(moved, replace(BLUE, centre=(48 - d, 16))).unasked_change for d in range(5)]
    assert shifted == sorted(shifted)
    assert shifted[1] > 0
    assert _edit(moved).unasked_change > shifted[-1]
    assert _edit(moved, replace(BLUE, colour="green")).unasked_change > 1


def test_a_new_background_is_no_unasked_change():
    text = "make the background black"
    assert _edit(RED, BLUE, text=text, background="black").unasked_change == 0.0
    assert _edit(RED, BLUE, text=text, background="grey").unasked_change > 20
    assert _edit(RED, BLUE, text=text, background="black").colour_distance < 0.01


def test_a_scene_that_is_to_be_empty_has_nothing_to_overlap():
    source = render_scene(Scene("white", (RED,)))
    empty, text = render_scene(Scene("white", ())), "remove the red circle"
    assert list(grade_edit(source, text, empty).numbers().values()) == [
        1.0,
        pytest.approx(0, abs=1e-6),
        1.0,
        0.0,
        0.0,
    ]
    assert grade_edit(source, text, source).background_noise > 10


def _video(centres):
    return np.stack(
        [render_scene(Scene("white", (replace(RED, centre=(x, y)),))) for x, y in centres]
    )


@pytest.mark.parametrize(
    ("centres", "off"),
    [
        ([(20 + i, 32) for i in range(9)], 0.0),
        ([(20 + i, 32 + 2 * (i == 4)) for i in range(9)], 2 / 9),
        ([(20 + 3 * i, 32) for i in range(9)], 2 * 20 / 9),
        ([(32, 20 + i) for i in range(9)], 2**0.5 * 20 / 9),
        ([(40 - i, 32) for i in range(9)], 2 * 20 / 9),
    ],
    ids=["as_asked", "one_jump", "too_quick", "down", "backwards"],
)
def test_the_path_is_off_by_the_pixels_that_the_object_is_off(centres, off):
    assert grade_video(_video(centres), CAPTION).path_deviation_px == pytest.approx(off, abs=0.05)


def test_a_frame_without_the_object_is_off_by_the_most():
    video = _video([(20 + i, 32) for i in range(9)])
    video[3] = video[3, 0, 0]
    grades = grade_video(video, parse_motion(CAPTION))
    assert grades.path_deviation_px == pytest.approx(32 / 9, abs=0.01)
    assert grades.shape_overlap == pytest.approx(8 / 9, abs=0.005)


def test_what_is_no_video_is_refused():
    with pytest.raises(ValueError, match="`video`") as error:
        grade_video(np.zeros((64, 64, 3)), CAPTION)
    assert str(error.value) == "`video` must have the shape (F, 64, 64, 3), got (64, 64, 3)."
