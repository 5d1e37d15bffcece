"""The stored form of a row and of the references, whose samples are `SampleRow`s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fastflow.evaluation.measurement import SampleRow
from fastflow.sampling.foreign import Count, Finite, NotNegative, Share, StepNumber


@dataclass(frozen=True)
class StoredLearned:
    """States what a method spent on learning."""

    samples: Count = 0
    calls: NotNegative = 0
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredCosts:
    """States the costs of `recorded_costs`; all are missing if none were computed."""

    scheme: str = ""
    steps: StepNumber = 0
    gap: StepNumber = 0
    each: float = 0.0
    shared: float = 0.0
    least: Literal["each", "shared"] = "each"
    longest: StepNumber = 0


@dataclass(frozen=True)
class StoredKnob:
    """States the second knob of a row."""

    value: Finite
    share: Share
    samples: list[dict[str, Any]]


@dataclass(frozen=True)
class StoredRow:
    """States the stored form of a `MethodRow`."""

    method: str
    target: StepNumber
    failure: str
    samples: list[dict[str, Any]]
    recipe: str = ""
    knob: str = ""
    value: Finite | None = None
    learned: StoredLearned = StoredLearned()
    pairs: list[tuple[NotNegative, NotNegative]] = field(default_factory=list)
    peak: Count | None = None
    second: StoredKnob | None = None
    mark: str = ""
    note: str = ""
    timed_on: str = ""
    recorded: StoredCosts = StoredCosts()


@dataclass(frozen=True)
class StoredMeasurements:
    """States the stored form of `StoredReferences`."""

    reference: list[dict[str, Any]]
    noise_floor: list[dict[str, Any]]
    prompts: list[str]
    tasks: list[str]
    branches: NotNegative
    velocity_change: list[float]
    tuning_calls: Count
    identical_at_zero: Mapping[str, bool]


def rows_from(stored: Sequence[dict[str, Any]], where: str) -> list[SampleRow]:
    """Returns the samples of a stored list.

    Raises:
        ValueError: beginning with ``where`` and the sample's number in the list, if one has
            another form.
    """
    return [SampleRow.from_json(row, f"{where} {i}:") for i, row in enumerate(stored)]
