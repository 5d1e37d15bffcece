"""Colour differences against published values and by their properties."""

import numpy as np
import pytest

from fastflow_minis.worlds.drawing import OBJECT_COLOURS
from fastflow_minis.worlds.grading.colour_difference import (
    FARTHEST,
    colour_difference,
    nearest_colour,
    to_lab,
)


@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0.0, 0.0)),
    ],
)
def test_lab_has_the_published_values_of_srgb(colour, lab):
    assert to_lab(np.array(colour)) == pytest.approx(np.array(lab), abs=0.02)


def test_black_and_white_are_a_hundred_apart_and_nothing_is_farther():
    assert colour_difference(np.zeros(3), (255, 255, 255)) == pytest.approx(100.0)
    assert colour_difference(np.array((0, 255, 0)), (0, 0, 255)) == FARTHEST


def test_a_colour_is_at_no_distance_from_itself_and_differences_keep_the_shape_of_pixels():
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 5, 3))
    apart = colour_difference(pixels, pixels[1, 2])
    assert apart.shape == (4, 5)
    assert apart[1, 2] == 0.0
    assert (np.delete(apart.ravel(), 7) > 0).all()


def test_the_nearest_colour_of_a_tinted_one_is_itself():
    for colour in OBJECT_COLOURS.values():
        assert nearest_colour(np.array(colour) * 0.9 + 5, OBJECT_COLOURS) == colour
