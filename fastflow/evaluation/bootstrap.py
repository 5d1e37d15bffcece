"""Bootstrap intervals: how far a mean over samples may be from the mean over many more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Interval = tuple[float, float, float]

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


def bootstrap_nested(
    groups: Sequence[Sequence[float]], resamples: int = 2000, seed: int = 0
) -> Interval:
    """Estimates the mean of group means and its 95 % interval by resampling groups and samples.

    For a measurement that was repeated as a whole, such as with another seed: groups are drawn
    with replacement, then samples within each drawn group. So the interval covers what varies
    from one repetition to the next as well as what varies between samples. For a paired
    comparison pass differences. With few groups the interval is too narrow, since few groups show
    little of their variation.

    Args:
        groups: the numbers of each repetition's samples, G sequences that may differ in length.
        resamples: how many times G groups are drawn.
        seed: seeds the draws; the same values and seed give the same interval.

    Returns:
        The mean of the groups' means, and the 2.5 % and 97.5 % quantiles of the resampled ones.

    Raises:
        ValueError: if there is no group, one is empty or has a NaN, or `resamples` is below 1.

    Reference:
        A. Davison, D. Hinkley, Bootstrap Methods and their Application, 1997, section 3.8,
        https://doi.org/10.1017/CBO9780511802843
    """
    values = [_numbers(group, "groups") for group in groups]
    if not values or not all(map(len, values)):
        raise ValueError("`groups` must hold at least one group, each with at least one number.")
    _check_resamples(resamples)
    rng = np.random.default_rng(seed)
    means = np.zeros((resamples, len(values)))
    drawn = rng.integers(0, len(values), means.shape)
    for i, own in enumerate(values):
        where = drawn == i
        means[where] = own[rng.integers(0, len(own), (where.sum(), len(own)))].mean(axis=1)
    low, high = _bounds(means.mean(axis=1))
    return (float(np.mean([own.mean() for own in values])), low, high)


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
