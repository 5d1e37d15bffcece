"""Bootstrap intervals over samples: how far a mean may be from the one of more samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Interval = tuple[float, float, float]

_BLOCK = 1_000_000  # drawn indices held at once, so that memory does not grow with the resamples


def bootstrap_mean(values: Sequence[float], resamples: int = 2000, seed: int = 0) -> Interval:
    """Estimates a mean and its 95 % percentile interval by resampling whole samples.

    For a paired comparison pass the differences, one a sample: the spread between samples that
    both methods share then cancels. Infinite values are kept, so the PSNR of identical images
    makes the mean infinite; leave them out first where that is not wanted.

    Args:
        values: one number a sample, ``(N,)``.
        resamples: how many times N samples are drawn with replacement.
        seed: seeds the drawing; the same values and seed give the same interval.

    Returns:
        The mean of `values` and the 2.5 % and 97.5 % quantiles of the resampled means, in the unit
        of `values`. Of one value, the value three times; of none, NaN three times.

    Raises:
        ValueError: If a value is NaN, `values` is not one-dimensional, or `resamples` is below 1.

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

    A speed-up is such a ratio: all the seconds (or calls) without skipping over all those with
    it. Unlike a mean of ratios, it weights a sample by what it costs.

    Args:
        numerators: one number a sample, ``(N,)``, such as the calls of the full run.
        denominators: the same sample's number to divide by, ``(N,)``, not negative.
        resamples: how many times N pairs are drawn with replacement.
        seed: seeds the drawing; the same numbers and seed give the same interval.

    Returns:
        ``sum(numerators) / sum(denominators)`` and the 2.5 % and 97.5 % quantiles of the resampled
        ratios; a resample whose denominators sum to 0 counts as infinite. Without a pair, or where
        all denominators are 0, NaN three times.

    Raises:
        ValueError: If the two differ in length, a number is NaN or not one-dimensional, a
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
    """Estimates the means of groups that share samples, and draws them again and again.

    Samples are drawn with replacement within their strata, so that no group loses its samples; a
    drawn sample counts in all of its groups, so that what they share stays shared. Whatever is
    computed from a row of the result has the column's quantiles over the rows as its interval.

    Args:
        values: one column a group, ``(N, G)``; NaN where a sample is not in the group.
        strata: which samples are of one kind, ``(N,)``, such as their tasks.
        resamples: how many times to draw.
        seed: seeds the drawing; the same values and seed give the same result.

    Returns:
        ``(1 + resamples, G)``: the means, and below them those of every drawing; NaN where a
        drawing has no sample of a group.
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


def _numbers(values: Sequence[float], name: str) -> np.ndarray:
    """Checks and returns `values` as an array ``(N,)``."""
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
    if resamples < 1:
        raise ValueError(f"`resamples` must be at least 1, got {resamples}.")
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // n)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    drawn = np.sort(np.concatenate([estimate(rng.integers(0, n, (size, n))) for size in sizes]))
    # Order statistics instead of interpolation: between two infinite values that would give NaN.
    last = len(drawn) - 1
    lo, hi = drawn[int(np.floor(0.025 * last))], drawn[int(np.ceil(0.975 * last))]
    return (float(estimate(np.arange(n))), float(lo), float(hi))
