"""Negative controls: each wrong extrapolator, corrector or reward breaks exactly one rule."""

from dataclasses import dataclass, field

import pytest

from fastflow import Corrector, Extrapolator, Reward
from fastflow.integration.extrapolator import lagrange
from fastflow.testing import RuleBroken, check, failures


@dataclass(frozen=True)
class Overrated(Extrapolator):
    """Declares the degree of a parabola and continues a line."""

    depth = 3

    def weights(self, times, t):
        line = lagrange(times[:2], t)
        return (*line, *[0.0] * (len(times) - len(line)))


@dataclass(frozen=True)
class Leaky(Extrapolator):
    """Loses a hundredth of a constant velocity, and is exact for a slope."""

    depth = 2

    def weights(self, times, t):
        lost = lagrange(times, 0.5)
        return tuple(w - 0.01 * less for w, less in zip(lagrange(times, t), lost))


@dataclass(frozen=True)
class Greedy(Extrapolator):
    """Falls back to order zero if its history is not complete."""

    depth = 3

    def weights(self, times, t):
        return lagrange(times, t) if len(times) != 2 else (1.0, 0.0)


@dataclass(frozen=True)
class Long(Extrapolator):
    """Returns one weight too many."""

    depth = 1

    def weights(self, times, t):
        return (1.0, 0.0)


@dataclass(frozen=True)
class Remembering(Extrapolator):
    """Returns other weights at every call."""

    depth = 2
    degree = 0
    asked: list[int] = field(default_factory=list, compare=False, repr=False)

    def weights(self, times, t):
        self.asked.append(1)
        share = 0.01 * len(self.asked)
        return (1.0,) if len(times) == 1 else (1 + share, -share)


@dataclass(frozen=True)
class Boundless(Extrapolator):
    """Declares a degree that its depth does not allow."""

    depth = 1
    degree = 1

    def weights(self, times, t):
        return lagrange(times, t)


@dataclass(frozen=True)
class Flat(Corrector):
    """Declares the degree of a line and takes the mean."""

    depth = 2

    def weights(self, times, t):
        return (0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Perverse(Reward):
    """Rewards errors."""

    def value(self, seen, constants):
        return float(seen.error)


@dataclass(frozen=True, kw_only=True)
class Fragile(Reward):
    """Divides by the largest observed error."""

    def calibrate(self, feedback, steps):
        return {"unit": float(max(o.error for o in feedback))}

    def value(self, seen, constants):
        return -seen.error / constants["unit"]


WRONG = {
    Overrated: "is_exact_on_polynomials_of_its_degree",
    Leaky: "its_weights_sum_to_one",
    Greedy: "falls_back_to_the_degree_its_history_allows",
    Remembering: "gives_the_same_weights_whenever_asked",
    Long: "gives_one_finite_weight_for_each_velocity",
    Flat: "is_exact_on_polynomials_of_its_degree",
    Perverse: "a_larger_error_is_never_worth_more",
    Fragile: "a_sparse_first_generation_gives_finite_rewards",
}


@pytest.mark.parametrize(("wrong", "broken"), WRONG.items(), ids=[w.__name__ for w in WRONG])
def test_breaks_exactly_its_rule(wrong, broken):
    assert [b.rule for b in failures(wrong())] == [broken]


def test_a_degree_beyond_the_depth_is_detected():
    assert [b.rule for b in failures(Boundless())] == [
        "is_exact_on_polynomials_of_its_degree",
        "declares_a_depth_and_a_degree_that_fit",
    ]


def test_a_broken_rule_states_its_name_and_what_was_seen():
    with pytest.raises(RuleBroken) as broken:
        check(Long())
    assert str(broken.value) == (
        "gives one finite weight for each velocity: 1 times have 2 weights"
    )
    assert broken.value.rule == "gives_one_finite_weight_for_each_velocity"
