"""Bootstrap intervals, against values from textbooks and other computations."""

import math

import numpy as np
import pytest

from fastflow.evaluation.bootstrap import (
    bootstrap_groups,
    bootstrap_mean,
    bootstrap_ratio,
    half_interval,
    repeated_mean,
    student,
)


def test_the_interval_of_a_normal_mean_agrees_with_the_textbook():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    mean, lo, hi = bootstrap_mean(values.tolist())
    half = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean())
    assert lo == pytest.approx(mean - half, abs=0.1 * half)
    assert hi == pytest.approx(mean + half, abs=0.1 * half)


def test_the_interval_covers_the_true_mean_about_95_times_in_100():
    rng = np.random.default_rng(1)
    intervals = [bootstrap_mean(rng.normal(size=60).tolist(), 400, seed) for seed in range(200)]
    assert 0.89 <= np.mean([lo <= 0 <= hi for _, lo, hi in intervals]) <= 0.99


def test_equal_values_have_no_spread():
    assert bootstrap_mean([0.25] * 7) == (0.25, 0.25, 0.25)
    assert bootstrap_ratio([50.0] * 7, [20.0] * 7) == (2.5, 2.5, 2.5)


def test_the_same_seed_gives_the_same_interval():
    values = [1.0, 2.0, 4.0, 8.0]
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, 10, seed=4)


def test_a_ratio_weights_samples_by_their_cost():
    ratio, lo, hi = bootstrap_ratio([50, 50, 50], [50, 20, 20])
    assert ratio == pytest.approx(150 / 90)
    assert lo == pytest.approx(1.0)
    assert hi == pytest.approx(2.5)


def test_pairing_makes_the_interval_of_a_ratio_narrow():
    seconds = np.random.default_rng(2).uniform(1, 10, 50)
    _, lo, hi = bootstrap_ratio((2 * seconds).tolist(), seconds.tolist())
    assert (lo, hi) == (pytest.approx(2.0), pytest.approx(2.0))


def test_a_group_is_drawn_as_if_it_were_alone():
    values = np.random.default_rng(3).normal(5.0, 2.0, 300)
    means = bootstrap_groups(values[:, None], ["a"] * 300)[:, 0]
    mean, lo, hi = bootstrap_mean(values.tolist())
    assert means[0] == pytest.approx(mean)
    assert np.quantile(means[1:], [0.025, 0.975]) == pytest.approx([lo, hi], abs=0.03)


def test_groups_that_share_samples_stay_correlated():
    values = np.random.default_rng(4).normal(size=(40, 1)) + np.array([0.0, 1.0])
    means = bootstrap_groups(values, ["a"] * 40)
    assert means[:, 1] - means[:, 0] == pytest.approx(np.ones(2001))


def test_no_group_loses_its_samples_in_a_resample():
    values = np.full((4, 2), np.nan)
    values[:3, 0], values[3, 1] = (0.0, 1.0, 2.0), 7.0
    means = bootstrap_groups(values, ["many"] * 3 + ["one"])
    assert (means[0] == [1.0, 7.0]).all()
    assert (means[:, 1] == 7.0).all()
    assert np.isfinite(means).all()


def test_many_samples_are_drawn_in_blocks():
    mean, lo, hi = bootstrap_mean(np.arange(30_000.0).tolist(), resamples=100)
    assert lo < mean < hi


def test_no_values_give_nan_and_infinite_values_are_kept():
    assert all(math.isnan(v) for v in bootstrap_mean([]))
    assert all(math.isnan(v) for v in bootstrap_ratio([0.0], [0.0]))
    assert bootstrap_mean([1.0, math.inf]) == (math.inf, 1.0, math.inf)


def by_index(table):
    return [dict(enumerate(row)) for row in np.asarray(table, dtype=float).tolist()]


def width(interval):
    return interval[2] - interval[1]


def repetitions(rng, seeds, tuning, prompts, noise, samples=24):
    """Returns PSNR-like numbers ``(seeds, samples)`` around 40 with known deviations."""
    table = 40.0 + tuning * rng.normal(size=(seeds, 1)) + prompts * rng.normal(size=samples)
    return table + noise * rng.normal(size=(seeds, samples))


def covered(interval):
    return interval[1] <= 40.0 <= interval[2]


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(
    ("tuning", "prompts", "noise"),
    [(1, 0, 1), (1, 2, 3), (0, 0, 2), (0, 2, 0.5), (3, 0.5, 0.5), (0.5, 3, 3)],
)
def test_the_interval_over_seeds_holds_the_truth_as_often_as_it_says(
    seeds, tuning, prompts, noise
):
    rng = np.random.default_rng([seeds, int(10 * tuning), int(10 * prompts), int(10 * noise)])
    draws = [repetitions(rng, seeds, tuning, prompts, noise) for _ in range(1000)]
    assert np.mean([covered(repeated_mean(by_index(table))) for table in draws]) >= 0.935


def test_samples_of_one_tuning_say_too_little_about_another():
    """Why seeds exist: with one tuning the interval leaves the truth out far too often."""
    rng = np.random.default_rng(7)
    draws = [repetitions(rng, 1, 1.0, 0.0, 2.0) for _ in range(500)]
    assert np.mean([covered(repeated_mean(by_index(table))) for table in draws]) < 0.7


def test_what_the_seeds_share_and_what_they_do_not_are_both_in_the_interval():
    rng = np.random.default_rng(5)
    same = rng.normal(5.0, 1.0, (8, 50))
    apart = same + rng.normal(0.0, 3.0, (8, 1))
    prompts = same + rng.normal(0.0, 3.0, 50)
    plain = repeated_mean(by_index(same))
    assert plain[0] == pytest.approx(same.mean())
    of_seeds = student(7) * apart.mean(axis=1).std(ddof=1) / math.sqrt(8)
    assert width(repeated_mean(by_index(apart))) / 2 == pytest.approx(of_seeds, rel=0.02)
    of_prompts = student(49) * prompts.mean(axis=0).std(ddof=1) / math.sqrt(50)
    assert width(repeated_mean(by_index(prompts))) / 2 == pytest.approx(of_prompts, rel=0.05)
    assert width(plain) < width(repeated_mean(by_index(apart))) / 3


def test_means_that_agree_by_chance_do_not_hide_what_the_samples_vary():
    rng = np.random.default_rng(8)
    table = rng.normal(0.0, 2.0, (2, 40))
    table -= table.mean(axis=1, keepdims=True)
    interval = repeated_mean(by_index(table))
    assert width(interval) / 2 >= 1.959 * 2.0 * 0.8 / math.sqrt(80)


def test_seeds_count_alike_whatever_their_numbers_of_samples():
    mean, low, high = repeated_mean([dict.fromkeys(range(9), 1.0), {20: 3.0}])
    assert (mean, low, high) == pytest.approx((2.0, 2 - 12.7062, 2 + 12.7062), rel=1e-4)
    assert repeated_mean([{0: 4.0, 1: 4.0}, {0: 4.0}]) == (4.0, 4.0, 4.0)


def test_one_seed_has_the_bootstrap_interval_of_its_samples():
    values = np.random.default_rng(6).normal(5.0, 2.0, 300).tolist()
    assert repeated_mean([dict(enumerate(values))]) == bootstrap_mean(values)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (10, 2.228), (30, 2.042), (1000, 1.962)]
)
def test_quantiles_of_students_t_are_those_of_the_tables(freedom, quantile):
    assert student(freedom) == pytest.approx(quantile, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: repeated_mean([{0: 1.0}, {}]),
            "`groups` must hold at least one group, each with at least one number.",
        ),
        (
            lambda: repeated_mean([{0: 1.0}, {0: math.inf}]),
            "`groups` must hold finite numbers: cap infinite ones first.",
        ),
        (
            lambda: bootstrap_mean([1.0, math.nan]),
            "`values` must not hold NaN, got one at 1: leave that sample out.",
        ),
        (lambda: bootstrap_mean([1.0], resamples=0), "`resamples` must be at least 1, got 0."),
        (
            lambda: bootstrap_mean([[1.0]]),
            "`values` must have one axis, the samples, got shape (1, 1).",
        ),
        (
            lambda: bootstrap_ratio([1.0, 2.0], [1.0]),
            "`numerators` and `denominators` must be paired, got 2 and 1 numbers: "
            "pass one of each for every sample.",
        ),
        (
            lambda: bootstrap_ratio([1.0], [-1.0]),
            "`denominators` must not be negative, got -1.0.",
        ),
    ],
)
def test_impossible_numbers_are_refused(call, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        call()
    assert str(raised.value) == message


def test_half_an_interval_is_students_times_the_error_of_the_mean():
    assert half_interval([1.0, 2.0, 3.0]) == pytest.approx(student(2) / math.sqrt(3))
    assert math.isnan(half_interval([1.0]))
