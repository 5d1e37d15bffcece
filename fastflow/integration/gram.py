"""Inner products of a trajectory's velocities, from which the cost of any skip follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

SKETCH = 2**18  # the elements of a sketch
KEPT_WHOLE = SKETCH  # the elements of the largest velocity that is kept itself


class Gram:
    """Collects the inner products of all pairs of computed velocities, without a jump in between.

    The error of every extrapolation, correction or linear scheme is a weighted sum of velocities.
    Its norm therefore follows from this matrix, without the velocities and without another model
    call. The velocities stay on their device until `read`. One of more than `KEPT_WHOLE` elements
    is kept as a random sketch of `SKETCH` elements, which bounds the memory of 50 steps to 50 MB
    and changes the norm of any weighted sum by about 0.3 % (one standard deviation of its square,
    ``sqrt(2 / SKETCH)``).

    Args:
        steps: the number T of steps.
    """

    def __init__(self, steps: int):
        self.steps = steps
        self.pieces: list[list[tuple[int, Tensor]]] = []

    def take(self, k: int, v: Tensor, continues: bool) -> None:
        """Adds the velocity of step k.

        Args:
            k: the step.
            v: its velocity, ``(B, ...)``.
            continues: whether it continues the velocities before it; False after a jump.
        """
        if not continues or not self.pieces:
            self.pieces.append([])
        self.pieces[-1].append((k, sketch(v) if v.numel() > KEPT_WHOLE else v))

    def velocities(self) -> dict[int, Tensor]:
        """Returns the kept velocities by step, flat and on the host."""
        return {k: v.flatten().cpu() for piece in self.pieces for k, v in piece}

    def read(self) -> np.ndarray:
        """Returns ``(T, T)`` products, averaged over all elements; NaN where there are none."""
        matrix = np.full((self.steps, self.steps), np.nan)
        for piece in self.pieces:
            steps = [k for k, _ in piece]
            matrix[np.ix_(steps, steps)] = products([v for _, v in piece])
        return matrix


def products(velocities: Sequence[Tensor]) -> np.ndarray:
    """Returns the mean products of all pairs, ``(n, n)``, summed in float64 where there is one."""
    rows = [v.flatten() for v in velocities]
    exact = torch.float32 if rows[0].device.type == "mps" else torch.float64
    total = torch.zeros(len(rows), len(rows), dtype=exact, device=rows[0].device)
    for start in range(0, len(rows[0]), SKETCH):  # in blocks, so that the wide copy stays small
        block = torch.stack([row[start : start + SKETCH] for row in rows]).to(exact)
        total += block @ block.T
    return (total / len(rows[0])).cpu().double().numpy()


def sketch(v: Tensor) -> Tensor:
    """Returns a random projection ``(SKETCH,)``, which keeps mean squares up to chance.

    Elements get random signs, the same for every velocity of that size, and are then summed in
    groups. Reference: Charikar, Chen, Farach-Colton 2002, https://doi.org/10.1007/3-540-45465-9_59.
    """
    flat = v.flatten()
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(SKETCH, dtype=torch.float32, device=v.device)
    for start in range(0, len(flat), SKETCH):
        part = flat[start : start + SKETCH].float()
        bits = torch.randint(0, 2, (len(part),), generator=generator, dtype=torch.int8)
        total[: len(part)] += part * bits.to(v.device).float().mul_(2).sub_(1)
    return total * (SKETCH / len(flat)) ** 0.5


@dataclass
class MeanGram:
    """The mean Gram matrix of reference runs, each in units of its mean square velocity.

    Attributes:
        count: how many runs the mean is over.
        matrix: ``(T, T)``; None before the first run.
    """

    count: int = 0
    matrix: np.ndarray | None = field(default=None, repr=False)

    def add(self, gram: np.ndarray | None) -> bool:
        """Adds one run; returns False for one that skipped steps or is not finite."""
        if gram is None:
            return False
        scale = float(np.diag(gram).mean())
        if not np.isfinite(scale):
            return False
        self.merge(MeanGram(1, gram / (scale or 1.0)))  # 0: the velocity is zero everywhere
        return True

    def merge(self, other: MeanGram) -> None:
        """Adds the runs of another mean."""
        if other.matrix is None:
            return
        own = 0.0 if self.matrix is None else self.matrix * self.count
        self.count += other.count
        self.matrix = (own + other.matrix * other.count) / self.count

    def to_dict(self) -> dict[str, Any]:
        """Returns the content in JSON types."""
        matrix = None if self.matrix is None else to_lists(self.matrix)
        return {"count": self.count, "matrix": matrix}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> MeanGram:
        """Reads what `to_dict` returned.

        Raises:
            ValueError: if it is not a square matrix of numbers, or not of one run or more.
        """
        if content["matrix"] is None:
            return cls()
        matrix = from_lists(content["matrix"])
        if matrix.ndim != 2 or len(matrix) != matrix.shape[1]:
            raise ValueError(f"`gram` must be a square matrix, got shape {matrix.shape}.")
        if np.isinf(matrix).any():
            raise ValueError("`gram` must be finite numbers.")
        if int(content["count"]) < 1:
            raise ValueError(f"`gram` must be of 1 run or more, got `count` {content['count']}.")
        return cls(int(content["count"]), matrix)


def to_lists(matrix: np.ndarray) -> list[list[float | None]]:
    """Returns a matrix as nested lists for JSON, with NaN as None."""
    return [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]


def from_lists(rows: list[list[float | None]]) -> np.ndarray:
    """Returns the matrix that `to_lists` converted.

    Raises:
        ValueError: if it is something else.
    """
    try:
        return np.array(rows, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("`gram` must be numbers in lists of one length.") from error
