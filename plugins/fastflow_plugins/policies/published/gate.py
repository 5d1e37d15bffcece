"""A gate: logistic regression on scalars and their products."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

GATE_RIDGE = 1e-3  # on the coefficients of the standardised terms, per example
ROUNDS = 50


class Gate:
    """Decides by the sign of a quadratic function of six scalars, each standardised.

    Args:
        parameters: the six means, the six standard deviations, and the coefficients: of 1, of the
            six scalars, of their 21 products. Without any, the gate spreads steps about evenly.
    """

    SCALARS = 6
    PAIRS = tuple(combinations_with_replacement(range(SCALARS), 2))
    SIZE = 2 * SCALARS + 1 + SCALARS + len(PAIRS)

    def __init__(self, parameters: Sequence[float]):
        self.parameters = tuple(parameters)
        self._means, self._deviations, self._coefficients = np.split(
            np.array(parameters, dtype=np.float64), [self.SCALARS, 2 * self.SCALARS]
        )

    def says(self, state: Sequence[float]) -> bool:
        """Returns whether a step of these six scalars is computed."""
        if not self.parameters:
            _, _, pressure, since, *_ = state
            return since * pressure >= 1
        terms = self._terms((np.array([state]) - self._means) / self._deviations)
        return bool(terms[0] @ self._coefficients > 0)

    @classmethod
    def fitted(cls, states: np.ndarray, computed: np.ndarray) -> Gate:
        """Returns the gate that decides most like the examples; both decisions weigh the same.

        Args:
            states: ``(n, 6)`` scalars.
            computed: ``(n,)`` bool; both values occur.
        """
        means, deviations = states.mean(axis=0), states.std(axis=0)
        deviations = np.where(deviations > 0, deviations, 1.0)
        terms = cls._terms((states - means) / deviations)
        weights = np.where(computed, 0.5 / computed.mean(), 0.5 / (1 - computed.mean()))
        coefficients = logistic(terms, computed, weights)
        return cls(np.concatenate([means, deviations, coefficients]).tolist())

    @classmethod
    def _terms(cls, z: np.ndarray) -> np.ndarray:
        products = [z[:, i] * z[:, j] for i, j in cls.PAIRS]
        return np.column_stack([np.ones(len(z)), z, *products])


def logistic(terms: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the coefficients of least weighted cross-entropy plus ridge, by Newton's method.

    Args:
        terms: ``(n, p)``, the first column constant; its coefficient has no ridge.
        labels: ``(n,)`` bool.
        weights: ``(n,)`` of the examples.
    """
    ridge = GATE_RIDGE * np.eye(terms.shape[1])
    ridge[0, 0] = 0.0
    coefficients = np.zeros(terms.shape[1])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(terms @ coefficients, -50, 50)))
        gradient = terms.T @ (weights * (p - labels)) / len(labels) + ridge @ coefficients
        curvature = (terms.T * (weights * np.maximum(p * (1 - p), 1e-12))) @ terms / len(labels)
        step = np.linalg.solve(curvature + ridge, gradient)
        coefficients = coefficients - step
        if np.abs(step).max() < 1e-10:
            break
    return coefficients
