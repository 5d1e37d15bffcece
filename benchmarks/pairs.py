"""Paired timings: two ways to do one thing, timed alternately, under the same conditions."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import TypeVar

from tqdm import trange

T = TypeVar("T")


def interleaved(
    a: Callable[[], T], b: Callable[[], T], pairs: int, name: str
) -> Iterator[tuple[T, T]]:
    """Yields what ``a()`` and ``b()`` took, the order alternating, after one unmeasured pair.

    Args:
        a: does something and returns what it took.
        b: does the other.
        pairs: how many to measure.
        name: the label of the progress bar.
    """
    a(), b()
    for i in trange(pairs, desc=name, leave=False):
        if i % 2:
            second, first = b(), a()
        else:
            first, second = a(), b()
        yield first, second


def paired(a: Callable[[], float], b: Callable[[], float], pairs: int, name: str) -> float:
    """Returns the median of ``a() / b()`` over interleaved pairs."""
    return statistics.median(x / y for x, y in interleaved(a, b, max(pairs, 3), name))
