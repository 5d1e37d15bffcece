"""Rules for metrics: quick ones, on two small images and two short videos."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from fastflow.evaluation.metric import Metric
from fastflow.sampling.media import Video
from fastflow.sampling.request import Request
from fastflow.testing.rule import demand, rule


@rule
def states_whether_it_can_be_measured(metric: Metric) -> None:
    """`unavailable` returns one line, empty if it can be measured."""
    reason = metric.unavailable()
    demand(isinstance(reason, str) and "\n" not in reason, f"`unavailable` returned {reason!r}")


@rule
def gives_named_floats(metric: Metric) -> None:
    """For images that it compares and scores; the same when measured again."""
    if metric.unavailable():
        return
    _demand_floats(metric, _image(0), _image(1))


@rule
def gives_named_floats_of_videos(metric: Metric) -> None:
    """For videos too; no number if it measures images only."""
    if metric.unavailable():
        return
    a, b = (Video(tuple(_image(i) for i in range(k, k + 3)), 8.0) for k in (0, 1))
    _demand_floats(metric, a, b)


def _demand_floats(metric: Metric, a: Any, b: Any) -> None:
    request = Request(index=0, prompt="a red circle", seed=0, steps=4)
    for measure in (lambda: metric.compare(a, b), lambda: metric.score(a, request)):
        numbers = measure()
        plain = all(type(k) is str and type(v) is float for k, v in numbers.items())
        demand(plain, f"it returned {numbers!r}")
        demand(measure() == numbers, "measured again it returned other numbers")


def _image(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
