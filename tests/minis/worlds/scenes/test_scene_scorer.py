"""The scorer against true renders, shuffled captions, blur and specks."""

from dataclasses import replace

import numpy as np
import pytest

from fastflow_minis.worlds.drawing import (
    BACKGROUNDS,
    OBJECT_COLOURS,
    SHAPES,
    Scene,
    SceneObject,
    render_scene,
)
from fastflow_minis.worlds.scenes.scene_language import parse_caption
from fastflow_minis.worlds.scenes.scene_scorer import connected_components, holds, read_scene
from fastflow_minis.worlds.scenes.scene_world import held_out_captions, scene_of, training_scene

COUNT = 480


@pytest.fixture(scope="module")
def rendered():
    """Fresh scenes: half with training captions, half with held-out ones."""
    rng = np.random.default_rng(11)
    pairs = [training_scene(rng) for _ in range(COUNT // 2)]
    scenes = [(render_scene(scene), parse_caption(caption)) for scene, caption in pairs]
    prompts = [held_out_captions(300)[i % 300] for i in range(COUNT // 2)]
    return scenes + [(render_scene(scene_of(p, rng)), p) for p in prompts]


def test_captions_hold_for_their_own_renders(rendered):
    assert np.mean([holds(image, prompt) for image, prompt in rendered]) >= 0.99


def test_shuffled_captions_seldom_hold(rendered):
    order = np.random.default_rng(0).permutation(len(rendered))
    hits = [holds(image, rendered[i][1]) for (image, _), i in zip(rendered, order, strict=True)]
    assert np.mean(hits) <= 0.20


def test_captions_still_hold_when_images_are_blurred_noisy_and_off_colour(rendered):
    rng = np.random.default_rng(5)
    hits = []
    for image, prompt in rendered[::3]:
        padded = np.pad(image / 255.0, ((1, 1), (1, 1), (0, 0)), mode="edge")
        blurred = sum(padded[i : i + 64, j : j + 64] for i in range(3) for j in range(3)) / 9
        tint = rng.uniform(-0.05, 0.05, 3)
        noise = 0.02 * rng.standard_normal(image.shape)
        hits.append(holds(np.clip(0.5 * (image / 255.0 + blurred) + tint + noise, 0, 1), prompt))
    assert np.mean(hits) >= 0.98


def test_specks_are_overlooked():
    image = render_scene(Scene("white", (SceneObject("ring", "red", (16, 16), 24),)))
    image[40:43, 40:43] = 0
    assert holds(image, "a photo of a red ring")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_shape_is_read_in_every_colour_on_every_background(shape, background):
    for colour in OBJECT_COLOURS:
        image = render_scene(Scene(background, (SceneObject(shape, colour, (46, 17), 22),)))
        reading = read_scene(image)
        assert reading.background == background
        (seen,) = reading.objects
        assert (seen.shape, seen.colour) == (shape, colour)
        assert np.hypot(seen.centre[0] - 46, seen.centre[1] - 17) < 2


def test_float_and_8_bit_images_are_read_alike():
    image = render_scene(training_scene(np.random.default_rng(2))[0])
    assert read_scene(image) == read_scene(image / 255.0)


def test_one_object_too_many_is_one_too_many():
    scene = scene_of(parse_caption("a photo of three blue squares"), np.random.default_rng(0))
    image = render_scene(scene)
    assert holds(image, "a photo of three blue squares")
    assert not holds(image, "a photo of two blue squares")
    assert not holds(image, "a photo of four blue squares")


def test_colours_are_bound_to_their_objects():
    items = (
        SceneObject("circle", "red", (16, 16), 22),
        SceneObject("square", "blue", (48, 16), 22),
    )
    image = render_scene(Scene("grey", items))
    assert holds(image, "a photo of a blue square and a red circle")
    assert not holds(image, "a photo of a blue circle and a red square")


def test_a_relation_holds_in_one_direction_only():
    items = (SceneObject("circle", "red", (16, 16), 22), SceneObject("ring", "red", (48, 16), 22))
    image = render_scene(Scene("grey", items))
    assert holds(image, "a photo of a circle left of a ring")
    assert holds(image, "a photo of a ring right of a circle")
    assert not holds(image, "a photo of a ring left of a circle")
    assert not holds(image, "a photo of a ring above a circle")
    below = tuple(replace(item, centre=item.centre[::-1]) for item in items)
    assert holds(render_scene(Scene("black", below)), "a photo of a ring below a circle")


def test_an_empty_image_shows_nothing():
    assert read_scene(render_scene(Scene("black", ()))).objects == ()
    assert not holds(render_scene(Scene("black", ())), "a photo of a ring")


def test_an_image_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="`image`") as error:
        read_scene(np.zeros((64, 64)))
    assert str(error.value) == "`image` must have the shape (64, 64, 3), got (64, 64)."


def test_components_hang_together_by_edges_only():
    mask = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [0, 0, 1, 0], [1, 0, 1, 0]], bool)
    labels = connected_components(mask)
    groups = {frozenset(map(tuple, np.argwhere(labels == k))) for k in np.unique(labels) if k}
    assert groups == {
        frozenset({(0, 0), (1, 0), (1, 1)}),
        frozenset({(0, 2), (0, 3), (1, 3)}),
        frozenset({(2, 2), (3, 2)}),
        frozenset({(3, 0)}),
    }
