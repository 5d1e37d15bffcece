"""A policy's memory across samples: a value that can be frozen, merged, printed and stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastflow.integration.coefficients import Coefficients
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.gram import MeanGram
from fastflow.integration.grid import Grid


@dataclass
class Memory:
    """Holds what was learned; this base class is for policies that learn nothing themselves.

    Attributes:
        samples: how many samples it has learned from.
        frozen: whether it is read-only; with a frozen memory a policy neither learns nor explores.
        key: the settings it was learned with (model, grid, arms, ...); it is valid for no others.
        gram: the mean Gram matrix of the reference runs, to which schemes are fitted.
        learning_calls: the network calls spent on trials, beyond those of the samples themselves.
    """

    samples: int = 0
    frozen: bool = False
    key: dict[str, Any] | None = None
    gram: MeanGram = field(default_factory=MeanGram)
    learning_calls: int = 0
    _fitted: dict[tuple, Coefficients | None] = field(
        default_factory=dict, repr=False, compare=False
    )

    def coefficients(self, extrapolator: Extrapolator, grid: Grid) -> Coefficients | None:
        """Returns an extrapolator's weights fitted to the reference runs; None if there are none.

        They are fitted once for each state of the mean.
        """
        if self.gram.matrix is None:
            return None
        made = extrapolator, grid.digest, self.gram.count
        if made not in self._fitted:
            self._fitted.clear()
            self._fitted[made] = extrapolator.coefficients(self.gram.matrix, grid)
        return self._fitted[made]

    def freeze(self) -> Memory:
        """Makes the memory read-only and returns it."""
        self.frozen = True
        return self

    def merge(self, other: Memory) -> None:
        """Adds what another memory of the same key has learned.

        Raises:
            ValueError: if the keys differ.
        """
        check_key(self.key, other.key, "merged")
        self.samples += other.samples
        self.learning_calls += other.learning_calls
        self.gram.merge(other.gram)

    def to_dict(self) -> dict[str, Any]:
        """Returns the content in JSON types."""
        content: dict[str, Any] = {"samples": self.samples, "key": self.key}
        if self.gram.count:
            content["gram"] = self.gram.to_dict()
        if self.learning_calls:
            content["learning_calls"] = self.learning_calls
        return content

    def load_dict(self, content: dict[str, Any]) -> None:
        """Replaces the content by one that `to_dict` returned, of the same key.

        Raises:
            ValueError: if the key differs, the Gram matrix has another number of steps, or a
                number is not finite or, where it counts something, negative.
            KeyError: if an entry is missing.
        """
        check_key(self.key, content["key"], "loaded")
        self.samples = checked_count("samples", content["samples"])
        self.learning_calls = checked_count("learning_calls", content.get("learning_calls", 0))
        self.gram = MeanGram.from_dict(content.get("gram") or {"matrix": None})
        steps = (self.key or {}).get("steps")
        if self.gram.matrix is not None and len(self.gram.matrix) != steps:
            raise ValueError(
                f"`gram` is of {len(self.gram.matrix)} steps, but this memory of {steps}: the "
                "file was changed by hand. Use another copy, or learn again."
            )

    def summary(self) -> str:
        """Returns the learned content as a plain-text table."""
        seen = f"; {self.gram.count} reference runs seen" if self.gram.count else ""
        return f"nothing to learn; {self.samples} samples seen{seen}"


def checked_count(name: str, value: Any) -> int:
    """Returns a stored number of things; raises a ValueError unless it is whole and 0 or more."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"`{name}` must be a whole number, 0 or more, got {value!r:.60}.")
    return value


def checked_numbers(
    name: str, values: Any, shape: tuple[int, ...] | None = None, least: float = -np.inf
) -> np.ndarray:
    """Returns stored numbers as an array of floats.

    Args:
        name: the entry that holds them, for messages.
        values: nested lists.
        shape: the shape that they must have; any if None.
        least: the least that each may be.

    Raises:
        ValueError: if they are no numbers, not finite, too small or of another shape.
    """
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"`{name}` must be numbers in lists of one length.") from error
    if shape is not None and array.shape != shape:
        raise ValueError(f"`{name}` has shape {array.shape}, expected {shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite numbers.")
    if (array < least).any():
        raise ValueError(f"`{name}` must be {least:g} or more, got {array.min():g}.")
    return array


def check_key(own: dict[str, Any] | None, other: dict[str, Any] | None, verb: str) -> None:
    """Raises a ValueError that names every entry in which two keys differ."""
    if own == other:
        return
    a, b = own or {}, other or {}
    differing = [
        f"{name}: here {a.get(name)!r}, there {b.get(name)!r}"
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name)
    ]
    raise ValueError(
        f"this memory cannot be {verb}: it was learned with other settings "
        f"({'; '.join(differing)}). "
        "Learn again, or run with the same settings."
    )
