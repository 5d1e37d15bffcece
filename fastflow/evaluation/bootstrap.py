"""Bootstrap intervals: how far a mean over samples may be from the mean over many more."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Interval = tuple[float, float, float]

NORMAL = 1.959964  # the 97.5 % quantile of the normal distribution
STUDENT = (12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.30600, 2.26216)

_BLOCK = 1_000_000  # indices held at a time, so that memory does not grow with the resamples


def bootstrap_mean(values: Sequence[float], resamples: int = 2000, seed: int = 0) -> Interval:
    """Estimates a mean and its 95 % percentile interval by resampling whole samples.

    For a paired comparison pass the differences, one per sample: the variation between samples
    that both methods share then cancels. Infinite values are kept, so the PSNR of identical images
    makes the mean infinite; leave them out before the call if that is not intended.

    Args:
        values: one number per sample, ``(N,)``.
        resamples: how many times N samples are drawn with replacement.
        seed: seeds the draws; the same values and seed give the same interval.

    Returns:
        The mean of `values` and the 2.5 % and 97.5 % quantiles of the resampled means, in the unit
        of `values`. For one value, that value three times; for none, NaN three times.

    Raises:
        ValueError: if a value is NaN, `values` is not one-dimensional, or `resamples` is below 1.

    Reference:
        B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13,
        https://doi.org/10.1201/9780429246593
    """
    v = _numbers(values, "values")
    if not len(v):
        return (np.nan, np.nan, np.nan)
    return _interval(lambda rows: v[rows].mean(axis=-1), len(v), resamples, seed)


def bootstrap_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Estimates a ratio of sums and its 95 % percentile interval by resampling pairs.

    A speed-up is such a ratio: all seconds (or calls) without skipping over all those with it.
    Unlike a mean of ratios, it weights each sample by its cost.

    Args:
        numerators: one number per sample, ``(N,)``, such as the calls of the reference run.
        denominators: the number of the same sample to divide by, ``(N,)``, not negative.
        resamples: how many times N pairs are drawn with replacement.
        seed: seeds the draws; the same numbers and seed give the same interval.

    Returns:
        ``sum(numerators) / sum(denominators)`` and the 2.5 % and 97.5 % quantiles of the resampled
        ratios; a resample whose denominators sum to 0 counts as infinite. NaN three times
        if there is no pair or all denominators are 0.

    Raises:
        ValueError: if the two differ in length, a number is NaN or not one-dimensional, a
            denominator is negative, or `resamples` is below 1.
    """
    a = _numbers(numerators, "numerators")
    b = _numbers(denominators, "denominators")
    if len(a) != len(b):
        message = (
            f"`numerators` and `denominators` must be paired, got {len(a)} and {len(b)} numbers: "
            "pass one of each for every sample."
        )
        raise ValueError(message)
    if (b < 0).any():
        raise ValueError(f"`denominators` must not be negative, got {b.min()}.")
    if not b.sum() > 0:
        return (np.nan, np.nan, np.nan)

    def ratio(rows: np.ndarray) -> np.ndarray:
        top, bottom = a[rows].sum(axis=-1), b[rows].sum(axis=-1)
        safe = np.where(bottom > 0, bottom, 1.0)
        return np.where(bottom > 0, top / safe, np.inf)

    return _interval(ratio, len(a), resamples, seed)


def bootstrap_groups(
    values: np.ndarray, strata: Sequence[str], resamples: int = 2000, seed: int = 0
) -> np.ndarray:
    """Estimates the means of groups that share samples, with bootstrap resamples of them.

    Samples are drawn with replacement within their strata, so that no group loses its samples. A
    drawn sample counts in all of its groups, which keeps their correlation. For a number computed
    from each row of the result, the quantiles over the rows are its interval.

    Args:
        values: one column per group, ``(N, G)``; NaN if a sample is not in the group.
        strata: the stratum of each sample, ``(N,)``, such as its task.
        resamples: how many times N samples are drawn.
        seed: seeds the draws; the same values and seed give the same result.

    Returns:
        ``(1 + resamples, G)``: the means, followed by those of every resample; NaN if a resample
        has no sample of a group.
    """
    rng = np.random.default_rng(seed)
    names = np.asarray(strata)
    sums, sizes = np.zeros((2, 1 + resamples, values.shape[1]))
    for name in dict.fromkeys(strata):
        own = values[names == name]
        n = len(own)
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
        counts = np.vstack([np.ones((1, n)), drawn])
        sums += counts @ np.nan_to_num(own)
        sizes += counts @ ~np.isnan(own)
    return np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)


def repeated_mean(groups: Sequence[Mapping[int, float]], seed: int = 0) -> Interval:
    """Estimates a mean and its 95 % interval from a measurement that was repeated as a whole.

    Each repetition, such as one with another seed, has its own tuning and its own noise; sample i
    of all of them has the same prompt. With one repetition this is `bootstrap_mean`: the interval
    covers what varies between samples, for that one tuning. With S of them it covers both::

        half^2 = max(t_{S-1}^2 b / S, z^2 e / (S n)) + t_{n-1}^2 max(0, c / n - e / (S n))

    b is the variance of the repetitions' means, c that of the samples' means over repetitions, and
    e what is left when both are taken away. The first term is everything that another repetition
    changes, but no less than its samples alone explain; the second is what the prompts share,
    which repetitions with the same prompts cannot show.

    A bootstrap over so few repetitions would understate: of three, a resample often holds one
    three times, and their spread is taken for the true one. Student's t allows for how little S
    means say about their variance; at S = 2 the interval is very wide (t = 12.7), which is what
    two repetitions tell. The sum of two such terms is on the wide side.

    For a paired comparison pass differences, sample by sample.

    Args:
        groups: the finite numbers of each repetition's samples, by the sample's index.
        seed: seeds the resamples of a single repetition.

    Returns:
        The mean of the repetitions' means, and the ends of the interval. The second term needs two
        or more samples that every repetition has; without them it is left out.

    Raises:
        ValueError: if there is no repetition, one is empty, or a number is not finite.

    Reference:
        S. Searle, G. Casella, C. McCulloch, Variance Components, 1992, chapter 4 (two crossed
        random factors), https://doi.org/10.1002/9780470316856
    """
    values = [_numbers(list(group.values()), "groups") for group in groups]
    if not values or not all(map(len, values)):
        raise ValueError("`groups` must hold at least one group, each with at least one number.")
    if len(groups) == 1:
        return bootstrap_mean(list(groups[0].values()), seed=seed)
    if not all(np.isfinite(own).all() for own in values):
        raise ValueError("`groups` must hold finite numbers: cap infinite ones first.")
    count, means = len(values), np.array([own.mean() for own in values])
    common = [i for i in groups[0] if all(i in group for group in groups)]
    between = student(count - 1) ** 2 * means.var(ddof=1) / count
    if len(common) < 2:
        within = sum(own.var(ddof=1) / len(own) for own in values if len(own) > 1) / count**2
        half = math.sqrt(max(between, NORMAL**2 * within))
    else:
        rest, shared = _parts(np.array([[group[i] for i in common] for group in groups]))
        shared *= student(len(common) - 1) ** 2
        half = math.sqrt(max(between, NORMAL**2 * rest) + shared)
    mean = float(means.mean())
    return (mean, mean - half, mean + half)


def _parts(table: np.ndarray) -> tuple[float, float]:
    """Returns two parts of the variance of a table's mean: of its residuals, and of its columns.

    Args:
        table: ``(S, n)``, one row for each repetition, one column for each sample.
    """
    count, n = table.shape
    columns = table.mean(axis=0)
    left = table - columns - table.mean(axis=1, keepdims=True) + table.mean()
    rest = float((left**2).sum()) / ((count - 1) * (n - 1) * count * n)
    return rest, max(float(columns.var(ddof=1)) / n - rest, 0.0)


def student(freedom: int) -> float:
    """Returns the 97.5 % quantile of Student's t distribution.

    From 10 degrees of freedom on by the expansion in their inverse, to three digits.

    Args:
        freedom: the degrees of freedom, 1 or more.

    Reference:
        M. Abramowitz, I. Stegun, Handbook of Mathematical Functions, 1964, 26.7.5
    """
    if freedom < len(STUDENT) + 1:
        return STUDENT[freedom - 1]
    z, v = NORMAL, freedom
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / v + second / v**2 + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / v**3


def half_interval(values: Sequence[float]) -> float:
    """Returns half the 95 % interval of a mean of independent values, by Student's t.

    Args:
        values: such as a mean of each seed. NaN is returned for fewer than two.
    """
    if len(values) < 2:
        return math.nan
    return float(student(len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))


def _numbers(values: Sequence[float], name: str) -> np.ndarray:
    """Returns `values` as an array ``(N,)``, checked for shape and NaN."""
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 1:
        raise ValueError(f"`{name}` must have one axis, the samples, got shape {v.shape}.")
    if np.isnan(v).any():
        where = int(np.flatnonzero(np.isnan(v))[0])
        raise ValueError(f"`{name}` must not hold NaN, got one at {where}: leave that sample out.")
    return v


def _interval(
    estimate: Callable[[np.ndarray], np.ndarray], n: int, resamples: int, seed: int
) -> Interval:
    """Returns the estimate on all N samples and its 2.5 % and 97.5 % bootstrap quantiles."""
    _check_resamples(resamples)
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // n)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    drawn = np.concatenate([estimate(rng.integers(0, n, (size, n))) for size in sizes])
    return (float(estimate(np.arange(n))), *_bounds(drawn))


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ValueError(f"`resamples` must be at least 1, got {resamples}.")


def _bounds(estimates: np.ndarray) -> tuple[float, float]:
    """Returns the 2.5 % and 97.5 % quantiles of the estimates ``(resamples,)``."""
    ordered = np.sort(estimates)
    # Order statistics, since interpolation between two infinite values would give NaN.
    last = len(ordered) - 1
    return (
        float(ordered[int(np.floor(0.025 * last))]),
        float(ordered[int(np.ceil(0.975 * last))]),
    )
