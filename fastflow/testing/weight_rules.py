"""Rules for components that return weights: extrapolators and correctors.

No rule demands that the newest velocity is reproduced at its own time: for an interpolating
extrapolator this follows from exactness, and one that damps or nudges need not do it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.testing.rule import demand, rule

Weighted = Extrapolator | Corrector

SIGMAS = (0.31, 0.42, 0.47, 0.63, 0.70, 0.88, 0.93, 1.0)  # uneven, newest first
AHEAD = (0.29, 0.25, 0.17, 0.08)
LANDING = (0.31, 0.55, 0.62, 0.63, 0.81, 0.93, 1.0)  # the landing's first, then a gap
GAP = (0.52, 0.44, 0.36)
TOLERANCE = 1e-9


@rule
def gives_one_finite_weight_for_each_velocity(component: Weighted) -> None:
    """For a history of any length up to the depth."""
    for history, t in _cases(component):
        weights = component.weights(history, t)
        demand(len(weights) == len(history), f"{len(history)} times have {len(weights)} weights")
        finite = all(isinstance(w, float) and math.isfinite(w) for w in weights)
        demand(finite, f"the weights at {t} of {history} are {weights}")


@rule
def its_weights_sum_to_one(component: Weighted) -> None:
    """A constant velocity is continued exactly, unless the declared degree is -1."""
    if component.degree < 0:
        return
    for history, t in _cases(component):
        total = sum(component.weights(history, t))
        demand(abs(total - 1) < TOLERANCE, f"the weights at {t} of {history} sum to {total}")


@rule
def is_exact_on_polynomials_of_its_degree(component: Weighted) -> None:
    """On uneven sigmas, from full depth."""
    for history, t in _cases(component):
        if len(history) == component.depth:
            _demand_exact(component, history, t, component.degree)


@rule
def falls_back_to_the_degree_its_history_allows(component: Weighted) -> None:
    """With n velocities the degree is at most n - 1."""
    for history, t in _cases(component):
        if len(history) < component.depth:
            _demand_exact(component, history, t, min(component.degree, len(history) - 1))


@rule
def gives_the_same_weights_whenever_asked(component: Weighted) -> None:
    """The weights are a pure function of the times."""
    cases = list(_cases(component))
    first = [tuple(component.weights(history, t)) for history, t in cases]
    again = [tuple(component.weights(list(history), t)) for history, t in reversed(cases)]
    demand(first == again[::-1], "called again in another order it returned other weights")


def _cases(component: Weighted) -> Iterator[tuple[Sequence[float], float]]:
    """Yields histories up to the component's depth, each with a time for the weights."""
    extrapolates = isinstance(component, Extrapolator)
    sigmas, times = (SIGMAS, AHEAD) if extrapolates else (LANDING, GAP)
    for n in range(1 if extrapolates else 2, component.depth + 1):
        for t in times:
            yield sigmas[:n], t


def _demand_exact(component: Weighted, history: Sequence[float], t: float, degree: int) -> None:
    weights = component.weights(history, t)
    for p in range(1, degree + 1):
        value, true = sum(w * (s - 0.5) ** p for w, s in zip(weights, history)), (t - 0.5) ** p
        seen = f"from {history} it continues (sigma - 0.5)^{p} to {value} at {t}, not {true}"
        demand(abs(value - true) < TOLERANCE * max(1, *map(abs, weights)), seen)
