"""Rules for metrics: light ones, on two small pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastflow.records import Request
from fastflow.testing.rule import demand, rule


@rule
def says_whether_it_can_be_measured(metric):
    """In one line, empty if it can."""
    reason = metric.unavailable()
    demand(isinstance(reason, str) and "\n" not in reason, f"`unavailable` says {reason!r}")


@rule
def gives_named_floats(metric):
    """Of the pictures it compares and scores, always the same."""
    if metric.unavailable():
        return
    a, b = _picture(0), _picture(1)
    request = Request(index=0, prompt="a red circle", seed=0, steps=4)
    for measure in (lambda: metric.compare(a, b), lambda: metric.score(a, request)):
        numbers = measure()
        plain = all(type(k) is str and type(v) is float for k, v in numbers.items())
        demand(plain, f"it gave {numbers!r}")
        demand(measure() == numbers, "measured again it gave other numbers")


def _picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
