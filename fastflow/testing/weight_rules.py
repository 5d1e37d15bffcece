"""Rules for what is a set of weights: extrapolators and correctors.

That an interpolating extrapolator gives the newest velocity back at its own time is not a rule: it
follows from exactness, and one that damps or nudges need not.
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
    """With whatever history there is; none where nothing is corrected."""
    for known, t in _cases(component):
        weights = component.weights(known, t)
        demand(len(weights) == len(known), f"{len(known)} times have {len(weights)} weights")
        finite = all(isinstance(w, float) and math.isfinite(w) for w in weights)
        demand(finite, f"the weights at {t} of {known} are {weights}")


@rule
def its_weights_sum_to_one(component: Weighted) -> None:
    """A constant velocity is continued exactly, unless a degree of -1 declares otherwise."""
    if component.degree < 0:
        return
    for known, t in _cases(component):
        total = sum(component.weights(known, t))
        demand(abs(total - 1) < TOLERANCE, f"the weights at {t} of {known} sum to {total}")


@rule
def is_exact_on_polynomials_of_its_degree(component: Weighted) -> None:
    """On uneven sigmas, with its whole history."""
    for known, t in _cases(component):
        if len(known) == component.depth:
            _demand_exact(component, known, t, component.degree)


@rule
def falls_back_to_the_degree_its_history_allows(component: Weighted) -> None:
    """With n velocities the degree is n - 1 at most."""
    for known, t in _cases(component):
        if len(known) < component.depth:
            _demand_exact(component, known, t, min(component.degree, len(known) - 1))


@rule
def gives_the_same_weights_whenever_asked(component: Weighted) -> None:
    """It is a pure function of the times."""
    cases = list(_cases(component))
    first = [tuple(component.weights(known, t)) for known, t in cases]
    again = [tuple(component.weights(list(known), t)) for known, t in reversed(cases)]
    demand(first == again[::-1], "asked again in another order it gave other weights")


def _cases(component: Weighted) -> Iterator[tuple[Sequence[float], float]]:
    """Yields histories up to the component's depth, each with a time to weigh them for."""
    extrapolates = isinstance(component, Extrapolator)
    sigmas, times = (SIGMAS, AHEAD) if extrapolates else (LANDING, GAP)
    for n in range(1 if extrapolates else 2, component.depth + 1):
        for t in times:
            yield sigmas[:n], t


def _demand_exact(component: Weighted, known: Sequence[float], t: float, degree: int) -> None:
    weights = component.weights(known, t)
    for p in range(1, degree + 1):
        value, true = sum(w * (s - 0.5) ** p for w, s in zip(weights, known)), (t - 0.5) ** p
        seen = f"from {known} it continues (sigma - 0.5)^{p} to {value} at {t}, not {true}"
        demand(abs(value - true) < TOLERANCE * max(1, *map(abs, weights)), seen)
