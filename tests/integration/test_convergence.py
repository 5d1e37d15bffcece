"""Exactness on polynomials, and the order at which skipping converges to the reference run.

With h = 1 / T, differences are taken from the reference run on the same grid. An extrapolator of
degree p errs by O(h^(p + 1)) at a skipped step, so every skipped step moves x by O(h^(p + 2)).
A corrector of degree q replaces that by O(h^(q + 2)), but the landing's velocity was taken at the
x before the correction: it is off by O(h^(p + 2)), and so moves x by O(h^(p + 3)) at the landing.
Per skipped step the local order is therefore p + 2 without, min(q + 2, p + 3) with correction. A
pattern whose skips are a fixed share of T sums up O(T) of them and loses one order; a fixed number
of skips keeps it. A corrector of order 1 therefore lowers the order of the parabola.

Extrapolators and correctors need their full depth, so the first four steps are computed.
"""

import functools
import math

import pytest
import torch

from fastflow.integration.corrector import NoCorrection
from fastflow.integration.extrapolator import Reuse
from fastflow.testing import drive, uneven
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear, Nudge, Quadratic, Secant
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.static import Listed

SIZES = (160, 320, 640)
METHODS = [
    (Reuse(), NoCorrection()),
    (Nudge(rate=0.1), NoCorrection()),
    (Linear(), NoCorrection()),
    (Secant(lag=3), NoCorrection()),
    (Quadratic(), NoCorrection()),
    (Reuse(), Interpolate()),
    (Reuse(), Interpolate(order=2)),
    (Linear(), Interpolate()),
    (Linear(), Interpolate(order=2)),
    (Linear(), Interpolate(order=3)),
    (Quadratic(), Interpolate()),
    (Quadratic(), Interpolate(order=2)),
    (Quadratic(), Interpolate(order=3)),
]
NAMES = [f"{type(e).__name__}-{getattr(c, 'order', 0)}" for e, c in METHODS]


def local_order(extrapolator, corrector):
    p, q = extrapolator.degree, corrector.degree
    return min(q + 2, p + 3) if corrector.depth else p + 2


def share(steps):
    """Returns a schedule that skips two of every three steps."""
    return Listed(steps=(*range(4), *range(6, steps, 3)))


def two_gaps(steps):
    """Returns a schedule with two gaps of three steps each, at fixed times."""
    gaps = {steps * a // 8 + i for a in (3, 5) for i in (1, 2, 3)}
    return Listed(steps=tuple(k for k in range(steps) if k not in gaps))


@functools.cache
def reference(steps):
    """Returns the final x of the reference run on the same grid."""
    return drive(Never(), uneven(steps, 1.5)).x


def slope(pattern, extrapolator, corrector):
    """Returns the least-squares slope of the log difference against log h."""
    points = []
    for steps in SIZES:
        grid = uneven(steps, 1.5)
        skipped = drive(pattern(steps), grid, extrapolator=extrapolator, corrector=corrector).x
        off = (skipped - reference(steps)).norm().item()
        points.append((-math.log(steps), math.log(off)))
    (a, b) = (sum(c) / len(points) for c in zip(*points))
    return sum((u - a) * (w - b) for u, w in points) / sum((u - a) ** 2 for u, _ in points)


@pytest.mark.parametrize(("extrapolator", "corrector"), METHODS, ids=NAMES)
@pytest.mark.parametrize("pattern", [share, two_gaps])
def test_skipping_converges_at_the_order_of_theory(pattern, extrapolator, corrector):
    order = local_order(extrapolator, corrector) - (pattern is share)
    assert slope(pattern, extrapolator, corrector) == pytest.approx(order, abs=0.15)


EXACT = [(e, c) for e, c in METHODS if not c.depth or c.degree >= e.degree]


@pytest.mark.parametrize(("extrapolator", "corrector"), EXACT)
@pytest.mark.parametrize("shift", [0.6, 1.0, 3.0])
def test_skipping_changes_nothing_where_the_velocity_is_a_polynomial(
    extrapolator, corrector, shift
):
    """A velocity in sigma alone, of the extrapolator's degree, on uneven grids."""
    degree = extrapolator.degree
    generator = torch.Generator().manual_seed(1)
    factors = torch.randn(degree + 1, 1, 4, generator=generator, dtype=torch.float64)

    def velocity(x, sigma):
        return sum(factors[p] * sigma**p for p in range(degree + 1))

    grid = uneven(40, shift)
    options = {"extrapolator": extrapolator, "corrector": corrector, "velocity": velocity}
    skipped, true = drive(share(40), grid, **options).x, drive(Never(), grid, **options).x
    assert (skipped - true).abs().max() < 1e-12


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_corrector_is_exact_up_to_its_own_degree_whatever_was_extrapolated(order):
    """Where the velocity does not depend on x, the landing corrects the whole error of reuse."""

    def velocity(x, sigma):
        return torch.ones_like(x) * (1 - 2 * sigma) ** order

    options = {"corrector": Interpolate(order=order), "velocity": velocity}
    grid = uneven(40)
    skipped, true = drive(share(40), grid, **options).x, drive(Never(), grid, **options).x
    assert (skipped - true).abs().max() < 1e-12
    uncorrected = drive(share(40), grid, velocity=velocity).x
    assert (uncorrected - true).abs().max() > 1e-3
