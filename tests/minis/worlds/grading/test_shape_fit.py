"""Where a shape fits: the drawing, its place and size, and what its overlap and edges say."""

import numpy as np
import pytest

from fastflow_minis.worlds.drawing import SHAPES, Scene, SceneObject, coverage, render_scene
from fastflow_minis.worlds.grading.shape_fit import GradedImage, ShapePlace

MIDDLE = (32.0, 32.0)


def picture(shape="circle", centre=(30, 35), size=22, background="white", colour="red"):
    item = SceneObject(shape, colour, centre, size)
    return GradedImage.of(render_scene(Scene(background, (item,))))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [22, 24])
def test_the_drawing_is_that_of_the_world(shape, size):
    drawn = ShapePlace(shape, 20.0, 30.0, float(size)).drawing
    inner = slice(15 - size // 2, 15 + size // 2)
    assert drawn[inner, inner] == pytest.approx(coverage(shape, size))
    assert drawn.sum() == pytest.approx(coverage(shape, size).sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_is_found_where_it_is_and_as_large_as_it_is(shape):
    for centre, size in (((30, 35), 22), ((16, 17), 24), ((49, 46), 24), ((13, 51), 22)):
        fit = picture(shape, centre, size).first_fit(shape, MIDDLE, 32).refined()
        assert (fit.place.x, fit.place.y, fit.place.size) == (*centre, size)
        assert fit.overlap == pytest.approx(1, abs=0.005)
        assert fit.sharpness == pytest.approx(1, abs=0.005)
        assert fit.presence == 1.0


def test_an_object_between_pixels_is_found_to_a_quarter_of_a_pixel():
    true = ShapePlace("ring", 30.25, 35.75, 23.0)
    image = np.full((64, 64, 3), 245.0)
    row, column = true.corner
    part = image[row - 16 : row + 15, column - 16 : column + 15]
    part += true.drawing[..., None] * (np.array((40, 80, 225)) - part)
    assert GradedImage.of(image / 255).first_fit("ring", MIDDLE, 32).refined().place == true


@pytest.mark.parametrize("shape", SHAPES)
def test_no_other_shape_fits_as_well(shape):
    image = picture(shape)
    overlaps = {one: image.first_fit(one, MIDDLE, 32).refined().overlap for one in SHAPES}
    assert sorted(overlaps.values())[-2] < 0.85
    assert max(overlaps, key=overlaps.__getitem__) == shape


def test_the_search_stays_in_its_reach():
    fit = picture(centre=(50, 50)).first_fit("circle", (16, 16), 8)
    assert max(fit.place.x, fit.place.y) <= 24


@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_present_in_one_colour(level):
    fit = (
        GradedImage.of(np.full((64, 64, 3), level, np.uint8))
        .first_fit("ring", MIDDLE, 32)
        .refined()
    )
    assert (fit.presence, fit.overlap, fit.sharpness) == (0.0, 0.0, 0.0)


def test_a_fading_object_loses_presence_and_overlap_steadily():
    full = picture().pixels
    faded = [245 + (full - 245) * share for share in (1, 0.25, 0.15, 0.1, 0.05, 0.01)]
    fits = [GradedImage.of(one / 255).first_fit("circle", MIDDLE, 32).refined() for one in faded]
    for name in ("presence", "overlap", "sharpness"):
        values = [getattr(fit, name) for fit in fits]
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.1


def test_values_that_are_not_finite_count_as_black():
    image = np.full((64, 64, 3), 0.5)
    image[3], image[4], image[5] = np.nan, np.inf, -np.inf
    assert (GradedImage.of(image).pixels[3:6] == 0).all()


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match="`image`") as error:
        GradedImage.of(np.zeros((32, 32, 3)))
    assert str(error.value) == "`image` must have the shape (64, 64, 3), got (32, 32, 3)."
