"""What FLUX Kontext alone refuses, and in which words."""

import pytest
from adapter_cases import KONTEXT
from adapter_tools import message
from PIL import Image

from fastflow import Request
from fastflow_plugins.models.flux_kontext import FluxKontext


def test_no_area_at_all():
    assert message(FluxKontext, max_area=0) == "`max_area` must be 1 or more, got 0."


@pytest.mark.parametrize(("height", "width", "max_area"), [(1, 10_000, 384), (16, 24, 9)])
def test_a_size_of_which_nothing_is_left(height, width, max_area):
    recipe = FluxKontext(height=height, width=width, max_area=max_area)
    assert message(KONTEXT.flow, KONTEXT.pipeline(), recipe) == (
        "`height` and `width` must leave 4 pixels a side when scaled to `max_area`, got "
        f"{height} x {width} and {max_area}."
    )


@pytest.mark.parametrize("auto_resize", [True, False])
def test_an_image_smaller_than_a_patch(auto_resize):
    model = KONTEXT.model(auto_resize=auto_resize)
    request = Request(0, "a cat", 0, image=Image.new("RGB", (40, 3)))
    assert message(model.prepare, request) == (
        "`image` must have at least 4 pixels a side, got 3 x 40."
    )
