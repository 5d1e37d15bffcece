"""What trials have shown while they go on: enough to refit plans, also after an interruption."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastflow.integration import Feedback
from fastflow.planning import LiveProducts, PlanArm
from fastflow.policies import TrialResult, checked_numbers

SAME = 0.01  # relative difference up to which two recordings are of the same reference run


@dataclass
class LiveRuns:
    """Holds the products of live velocities, by arm and reference run.

    Attributes:
        products: ``(N, N)`` products of live velocities and ``(N, T)`` with those of the reference
            run, by the arm's name and the number of the reference run.
        marks: two numbers for each reference run, by which it is recognised when it is repeated.
    """

    products: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    marks: list[list[float]] = field(default_factory=list)

    def begin(self, references: Sequence[Feedback]) -> bool:
        """Returns whether trials on these runs were begun; if not, forgets those on others."""
        marks = [_mark(reference) for reference in references]
        if len(marks) == len(self.marks) and np.allclose(marks, self.marks, rtol=SAME):
            return True
        self.marks = marks
        self.products.clear()
        return False

    def add(self, arm: PlanArm, i: int, answer: TrialResult, reference: Feedback) -> None:
        """Adds a trial, unless velocities are missing."""
        nodes, live, full = arm.plan.nodes, answer.feedback.velocities, reference.velocities
        if all(k in live for k in nodes) and len(full) > max(nodes):
            found = LiveProducts.of(nodes, live, full)
            self.products[arm.name, i] = found.live, found.cross

    def of(self, arm: PlanArm, references: Sequence[Feedback]) -> dict[int, LiveProducts]:
        """Returns the products of an arm's trials, by the number of the reference run."""
        found = {}
        for (name, i), (live, cross) in sorted(self.products.items(), key=lambda item: item[0]):
            full = references[i].gram
            if name == arm.name and full is not None:
                found[i] = LiveProducts(live, cross, np.nan_to_num(full))
        return found

    def keep(self, names: Collection[str]) -> None:
        """Forgets the trials of all arms but these."""
        self.products = {key: found for key, found in self.products.items() if key[0] in names}

    def to_dict(self) -> dict[str, Any]:
        """Returns the content in JSON types."""
        runs = [
            [name, i, _packed(live), _packed(cross)]
            for (name, i), (live, cross) in self.products.items()
        ]
        return {"marks": self.marks, "products": runs}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LiveRuns:
        """Reads what `to_dict` returned; nothing from an empty mapping."""
        runs = content.get("products", [])
        found = {
            (str(name), int(i)): (_unpacked(live), _unpacked(cross))
            for name, i, live, cross in runs
        }
        marks = content.get("marks", [])
        return cls(found, [checked_numbers("marks", mark, (2,)).tolist() for mark in marks])


def _mark(reference: Feedback) -> list[float]:
    if reference.gram is None:
        return [0.0, 0.0]
    return [float(reference.gram[0, 0]), float(np.diag(reference.gram).mean())]


def _packed(array: np.ndarray) -> dict[str, Any]:
    """Returns an array in JSON types, shorter than as a list of digits."""
    text = base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode()
    return {"shape": list(array.shape), "float64": text}


def _unpacked(content: Mapping[str, Any]) -> np.ndarray:
    try:
        raw = base64.b64decode(content["float64"], validate=True)
        array = np.frombuffer(raw, dtype="<f8").reshape(content["shape"]).copy()
    except ValueError as error:
        raise ValueError("`products` must be matrices, each with its shape.") from error
    return checked_numbers("products", array, (len(array), array.size // max(len(array), 1)))
