"""Rules for correctors."""

from __future__ import annotations

import math

from fastflow.testing.rule import demand, rule

NODES = (0.31, 0.55, 0.62, 0.63, 0.81, 0.93, 1.0)  # the landing's first, then a gap
GAP = (0.52, 0.44, 0.36)
TOLERANCE = 1e-9


@rule
def declares_a_depth_and_a_degree_that_fit(corrector):
    """A depth of 0 corrects nothing; else the landing's velocity and an earlier one take part."""
    depth, degree = corrector.depth, corrector.degree
    demand(isinstance(depth, int) and depth >= 0 and depth != 1, f"the depth is {depth!r}")
    demand(-1 <= degree < max(depth, 1), f"the degree is {degree} at a depth of {depth}")


@rule
def gives_one_finite_weight_for_each_velocity(corrector):
    """With whatever history there is; none where it corrects nothing."""
    for known, t in _landings(corrector):
        weights = corrector.weights(known, t)
        demand(len(weights) == len(known), f"{len(known)} times have {len(weights)} weights")
        demand(all(map(math.isfinite, weights)), f"the weights at {t} of {known} are {weights}")


@rule
def its_weights_sum_to_one(corrector):
    """A constant velocity is left alone, unless a degree of -1 declares otherwise."""
    if corrector.degree < 0:
        return
    for known, t in _landings(corrector):
        total = sum(corrector.weights(known, t))
        demand(abs(total - 1) < TOLERANCE, f"the weights at {t} of {known} sum to {total}")


@rule
def is_exact_on_polynomials_of_its_degree(corrector):
    """Inside the gap, on uneven sigmas; with n velocities to the degree n - 1 at most."""
    for known, t in _landings(corrector):
        weights = corrector.weights(known, t)
        for p in range(1, min(corrector.degree, len(known) - 1) + 1):
            value, true = sum(w * s**p for w, s in zip(weights, known)), t**p
            seen = f"from {known} it takes sigma^{p} to be {value} at {t}, not {true}"
            demand(abs(value - true) < TOLERANCE * max(1, *map(abs, weights)), seen)


@rule
def gives_the_same_weights_whenever_asked(corrector):
    """It is a pure function of the times."""
    landings = list(_landings(corrector))
    first = [tuple(corrector.weights(known, t)) for known, t in landings]
    again = [tuple(corrector.weights(list(known), t)) for known, t in reversed(landings)]
    demand(first == again[::-1], "asked again in another order it gave other weights")


def _landings(corrector):
    for n in range(2, corrector.depth + 1):
        for t in GAP:
            yield NODES[:n], t
