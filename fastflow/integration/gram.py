"""Inner products of a trajectory's velocities, from which the cost of any skip follows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


class Gram:
    """Collects the Gram matrix of computed velocities on their device and reads it back once.

    The error of every extrapolation and correction is a weighted sum of velocities. Its norm
    therefore follows from this matrix, without the velocities and without another model call.

    Args:
        steps: the number T of steps.
    """

    def __init__(self, steps: int):
        self.steps = steps
        self.cells: list[tuple[int, int]] = []
        self.products: list[Tensor] = []

    def take(self, k: int, v: Tensor, past: Iterable[tuple[int, Tensor]]) -> None:
        """Adds the products of the velocity of step k with itself and with earlier ones.

        Args:
            k: the step.
            v: its velocity, ``(B, ...)``.
            past: earlier computed velocities, as ``(step, v)``.
        """
        exact = torch.float32 if v.device.type == "mps" else torch.float64
        wide = v.to(exact)
        for step, other in ((k, v), *past):
            self.cells.append((k, step))
            self.products.append((wide * other.to(exact)).mean())

    def read(self) -> np.ndarray:
        """Returns ``(T, T)`` products, averaged over all elements; NaN where none was taken."""
        matrix = np.full((self.steps, self.steps), np.nan)
        if self.cells:
            rows, columns = np.transpose(self.cells)
            values = torch.stack(self.products).cpu().numpy()
            matrix[rows, columns] = matrix[columns, rows] = values
        return matrix


def to_lists(matrix: np.ndarray) -> list[list[float | None]]:
    """Returns a matrix as nested lists for JSON, with NaN as None."""
    return [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]


def from_lists(rows: list[list[float | None]]) -> np.ndarray:
    """Returns the matrix that `to_lists` converted."""
    return np.array(rows, dtype=float)
