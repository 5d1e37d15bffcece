"""Rules for extrapolators.

That an interpolating one gives the newest velocity back at its own time is no rule of its own: it
follows from exactness, and one that damps or nudges need not.
"""

from __future__ import annotations

import math

from fastflow.testing.rule import demand, rule

TIMES = (0.31, 0.42, 0.47, 0.63, 0.70, 0.88, 0.93, 1.0)  # uneven, newest first
AHEAD = (0.29, 0.25, 0.17, 0.08)
TOLERANCE = 1e-9


@rule
def declares_a_depth_and_a_degree_that_fit(extrapolator):
    """A degree needs one velocity more; -1 declares none."""
    depth, degree = extrapolator.depth, extrapolator.degree
    demand(isinstance(depth, int) and depth >= 1, f"the depth is {depth!r}")
    demand(-1 <= degree < depth, f"the degree is {degree} at a depth of {depth}")


@rule
def gives_one_finite_weight_for_each_velocity(extrapolator):
    """With whatever history there is, from one velocity up to its depth."""
    for known, t in _histories(extrapolator):
        weights = extrapolator.weights(known, t)
        demand(len(weights) == len(known), f"{len(known)} times have {len(weights)} weights")
        finite = all(isinstance(w, float) and math.isfinite(w) for w in weights)
        demand(finite, f"the weights at {t} of {known} are {weights}")


@rule
def its_weights_sum_to_one(extrapolator):
    """A constant velocity is continued exactly, unless a degree of -1 declares otherwise."""
    if extrapolator.degree < 0:
        return
    for known, t in _histories(extrapolator):
        total = sum(extrapolator.weights(known, t))
        demand(abs(total - 1) < TOLERANCE, f"the weights at {t} of {known} sum to {total}")


@rule
def is_exact_on_polynomials_of_its_degree(extrapolator):
    """On uneven sigmas, with its whole history."""
    for t in AHEAD:
        known = TIMES[: extrapolator.depth]
        _demand_exact(extrapolator, known, t, extrapolator.degree)


@rule
def falls_back_to_the_degree_its_history_allows(extrapolator):
    """With n velocities the degree is n - 1 at most."""
    for n in range(1, extrapolator.depth):
        for t in AHEAD:
            _demand_exact(extrapolator, TIMES[:n], t, min(extrapolator.degree, n - 1))


@rule
def gives_the_same_weights_whenever_asked(extrapolator):
    """It is a pure function of the times."""
    histories = list(_histories(extrapolator))
    first = [tuple(extrapolator.weights(known, t)) for known, t in histories]
    again = [tuple(extrapolator.weights(list(known), t)) for known, t in reversed(histories)]
    demand(first == again[::-1], "asked again in another order it gave other weights")


def _histories(extrapolator):
    for n in range(1, extrapolator.depth + 1):
        for t in AHEAD:
            yield TIMES[:n], t


def _demand_exact(extrapolator, known, t, degree):
    weights = extrapolator.weights(known, t)
    for p in range(1, degree + 1):
        value, true = sum(w * (s - 0.5) ** p for w, s in zip(weights, known)), (t - 0.5) ** p
        seen = f"from {known} it continues (sigma - 0.5)^{p} to {value} at {t}, not {true}"
        demand(abs(value - true) < TOLERANCE * max(1, *map(abs, weights)), seen)
