"""Colour differences in CIELAB, the space in which equal distances look about equally large.

Colours are 8-bit sRGB under the white point D65. The difference is CIE 1976's Delta E, the
Euclidean distance in L*, a*, b* (https://www.iso.org/standard/74166.html): black and white are 100
apart, and about 2 is just noticeable.
"""

from collections.abc import Mapping, Sequence

import numpy as np

FARTHEST = 100.0
"""The greatest colour distance in Delta E; larger ones, and missing objects, count as this."""

_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.072175],
        [0.0193339, 0.119192, 0.9503041],
    ]
)
_WHITE = _TO_XYZ.sum(axis=1)
_LINEAR_BELOW = (6 / 29) ** 3


def to_lab(colours: np.ndarray) -> np.ndarray:
    """Returns 8-bit sRGB colours (..., 3) as L*, a*, b* (..., 3)."""
    c = np.clip(colours, 0, 255) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    t = linear @ _TO_XYZ.T / _WHITE
    x, y, z = np.moveaxis(
        np.where(t > _LINEAR_BELOW, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def colour_difference(colours: np.ndarray, wanted: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns the differences (...) of 8-bit sRGB colours (..., 3) from one, 0 to `FARTHEST`."""
    apart = np.linalg.norm(to_lab(colours) - to_lab(np.asarray(wanted, float)), axis=-1)
    return np.minimum(apart, FARTHEST)


def nearest_colour(
    colour: np.ndarray, names: Mapping[str, tuple[int, int, int]]
) -> tuple[int, int, int]:
    """Returns the named colour that looks most like an 8-bit sRGB colour (3,)."""
    return min(names.values(), key=lambda named: float(colour_difference(colour, named)))
