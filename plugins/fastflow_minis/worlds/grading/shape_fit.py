"""Finds where in an image a shape fits best, to a quarter of a pixel.

A pixel's *share* is how far it is from the background's colour towards the object's: 0 on the
background, 1 in the object. An ideal drawing of the shape has the same shares as its coverage, so
the two can be compared pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import numpy as np

from fastflow_minis.worlds.drawing import IMAGE_SIDE, inside_shape
from fastflow_minis.worlds.scenes.scene_scorer import CONTRAST, background_of, to_pixels

FIT_BOX = 31
"""Side of the box around an object in which shares are compared, in pixels.

It does not reach the objects of other quadrants."""

_HALF = FIT_BOX // 2
_FINE = 8
_SIZES = (20.0, 22.0, 24.0, 26.0)
_SIZE_LIMITS = (16.0, 28.0)
_STRIDE = 2
_STEPS = (1.0, 0.5, 0.25)
_CORE = 0.99
_INSIDE = 150  # pixels that even the thinnest shape covers


@dataclass(frozen=True)
class ShapePlace:
    """Describes where and how large a shape is.

    Attributes:
        shape: One of `SHAPES`.
        x: Centre in pixels from the left edge.
        y: Centre in pixels from the top edge.
        size: Diameter in pixels.
    """

    shape: str
    x: float
    y: float
    size: float

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of its box in a `GradedImage`'s padded arrays."""
        return int(self.y // 1) + 1, int(self.x // 1) + 1

    @property
    def drawing(self) -> np.ndarray:
        """How much of each pixel of its box the shape covers, (31, 31), from 0 to 1."""
        return _drawing(self.shape, self.size, self.x % 1, self.y % 1)


@cache
def _drawing(shape: str, size: float, x: float, y: float) -> np.ndarray:
    axis = (np.arange(FIT_BOX * _FINE) + 0.5) / _FINE - _HALF
    u, v = (axis - x)[None, :] / (size / 2), (axis - y)[:, None] / (size / 2)
    mask = inside_shape(shape, u, v) & (np.maximum(abs(u), abs(v)) <= 1)
    return mask.reshape(FIT_BOX, _FINE, FIT_BOX, _FINE).mean(axis=(1, 3)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class GradedImage:
    """Holds an image with its background's colour.

    Attributes:
        pixels: 8-bit values (64, 64, 3) in float64.
        ground: The background's colour (3,): the median of the frame.
    """

    pixels: np.ndarray
    ground: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray) -> GradedImage:
        """Reads an image (64, 64, 3), uint8 from 0 to 255 or float from 0 to 1.

        Values that are not finite count as black.

        Raises:
            ValueError: The image has another shape.
        """
        if np.shape(image) != (IMAGE_SIDE, IMAGE_SIDE, 3):
            raise ValueError(f"`image` must have the shape (64, 64, 3), got {np.shape(image)}.")
        pixels = np.nan_to_num(to_pixels(image), posinf=0.0, neginf=0.0)
        return cls(pixels, background_of(pixels))

    @cached_property
    def difference(self) -> np.ndarray:
        """Differences from the background (96, 96, 3), padded by background."""
        pad = _HALF + 1
        return np.pad(self.pixels - self.ground, ((pad, pad), (pad, pad), (0, 0)))

    def first_fit(self, shape: str, near: tuple[float, float], reach: int) -> ShapeFit:
        """Returns the best fit around a point (x, y), of every other pixel and four sizes.

        Args:
            shape: One of `SHAPES`.
            near: The point.
            reach: Greatest distance from the point per axis, in pixels; the centre of an object
                is at least 8 pixels from the edges of the image.
        """
        xs, ys = (_along(p, reach) for p in near)
        boxes = _boxes(self._likely_shares(xs, ys))
        flat = boxes.reshape(-1, FIT_BOX**2)
        drawings = np.stack([_drawing(shape, size, 0.0, 0.0).ravel() for size in _SIZES])
        squares = np.einsum("ij,ij->i", flat, flat)[:, None] + (drawings**2).sum(1)
        missed = squares - 2 * flat @ drawings.T
        at, size = np.unravel_index(missed.argmin(), missed.shape)
        y, x = np.unravel_index(at, boxes.shape[:2])
        return self.fit_at(ShapePlace(shape, float(xs[x]), float(ys[y]), _SIZES[size]))

    def _likely_shares(self, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
        """Returns shares for an object in any colour, in all boxes around some centres."""
        rows, columns = (slice(c[0] + 1, c[-1] + 1 + FIT_BOX) for c in (ys, xs))
        contrast = np.linalg.norm(self.difference[rows, columns], axis=-1).astype(np.float32)
        most = np.partition(contrast, -_INSIDE, axis=None)[-_INSIDE]
        return np.minimum(contrast / max(CONTRAST, most), 1)

    def fit_at(self, place: ShapePlace) -> ShapeFit:
        """Returns the fit of a shape at a place, in the colour that the image has there."""
        inside = _box_of(self.difference, place)[place.drawing >= _CORE]
        return ShapeFit(self, place, np.median(inside, axis=0))


@dataclass(frozen=True, eq=False)
class ShapeFit:
    """Describes how a shape fits an image at a place.

    Attributes:
        picture: The image.
        place: Where and how large the shape is.
        contrast: The object's colour minus the background's, 8-bit (3,).
    """

    picture: GradedImage
    place: ShapePlace
    contrast: np.ndarray

    @property
    def presence(self) -> float:
        """How clearly there is anything: 0 without contrast, 1 from `CONTRAST` on."""
        return min(1.0, float(np.linalg.norm(self.contrast)) / CONTRAST)

    @property
    def shares(self) -> np.ndarray:
        """The share of each pixel of the box, (31, 31); noise takes it beyond 0 and 1."""
        return _box_of(self._all_shares, self.place)

    @property
    def overlap(self) -> float:
        """Soft intersection over union, sum min(share, drawing) / sum max(share, drawing)."""
        return self._overlap_at(self.place)

    @property
    def inside(self) -> np.ndarray:
        """The 8-bit pixels (N, 3) that the shape covers entirely."""
        return (
            _box_of(self.picture.difference, self.place)[self.place.drawing >= _CORE]
            + self.picture.ground
        )

    @property
    def sharpness(self) -> float:
        """The slope of the image's edges over that of the drawing's, 0 to 1.

        It is the regression coefficient of the gradients of the shares on those of the drawing,
        which noise does not change on average.
        """
        seen, drawn = (_gradient(one) for one in (self.shares, self.place.drawing))
        return float(np.clip((seen * drawn).sum() / (drawn**2).sum(), 0, 1))

    def refined(self) -> ShapeFit:
        """Returns the fit whose overlap is best, found by steps of 1, 1/2 and 1/4 pixel."""
        best, overlap = self.place, self.overlap
        for step in _STEPS:
            while True:
                nearby = {place: self._overlap_at(place) for place in _neighbours(best, step)}
                place = max(nearby, key=nearby.__getitem__)
                if nearby[place] <= overlap:
                    break
                best, overlap = place, nearby[place]
        return ShapeFit(self.picture, best, self.contrast)

    @cached_property
    def _all_shares(self) -> np.ndarray:
        """The shares of all pixels of the picture's padded arrays (96, 96)."""
        length = float(np.linalg.norm(self.contrast))
        return self.picture.difference @ self.contrast / max(length * max(length, CONTRAST), 1e-9)

    @cached_property
    def _clipped_shares(self) -> np.ndarray:
        return np.clip(self._all_shares, 0, 1)

    def _overlap_at(self, place: ShapePlace) -> float:
        seen, drawn = _box_of(self._clipped_shares, place), place.drawing
        both = np.minimum(seen, drawn).sum()
        return float(both / (seen.sum() + drawn.sum() - both))


def _box_of(values: np.ndarray, place: ShapePlace) -> np.ndarray:
    """Returns the part of a padded array that is in the box of a place."""
    row, column = place.corner
    return values[row : row + FIT_BOX, column : column + FIT_BOX]


def _along(middle: float, reach: int) -> np.ndarray:
    """Returns the coordinates of the centres to try along an axis."""
    margin = int(_SIZE_LIMITS[0] / 2)
    low, high = max(margin, round(middle) - reach), min(IMAGE_SIDE - margin, round(middle) + reach)
    return np.arange(low, high + 1, _STRIDE)


def _boxes(shares: np.ndarray) -> np.ndarray:
    """Returns the boxes (rows, columns, 31, 31) around every other pixel."""
    boxes = np.lib.stride_tricks.sliding_window_view(shares, (FIT_BOX, FIT_BOX))
    return boxes[::_STRIDE, ::_STRIDE]


def _gradient(shares: np.ndarray) -> np.ndarray:
    return np.concatenate([np.diff(shares, axis=0).ravel(), np.diff(shares, axis=1).ravel()])


def _neighbours(place: ShapePlace, step: float) -> list[ShapePlace]:
    """Returns the places around one that differ by a step in position, or by two in size."""
    moves = product((-step, 0.0, step), (-step, 0.0, step), (-2 * step, 0.0, 2 * step))
    found = [
        ShapePlace(place.shape, place.x + x, place.y + y, place.size + s) for x, y, s in moves
    ]
    low, high = _SIZE_LIMITS
    return [
        one
        for one in found
        if low <= one.size <= high and min(one.x, one.y) >= 0 and max(one.x, one.y) < IMAGE_SIDE
    ]
