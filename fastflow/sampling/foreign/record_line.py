"""One line of records.jsonl: an observation, and the decision that was taken there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastflow.sampling.foreign.schema import Count, Share, StepNumber


@dataclass(frozen=True)
class RecordLine:
    """States what a line of records.jsonl holds: a sample's `Observation`, and what was drawn.

    Args:
        sample: the sample's index; the next fields are those of `Observation`.
        propensity: the probability with which a decision that was taken was drawn.
        reward: what the policy learned from it; None if nothing.
    """

    sample: Count
    step: StepNumber
    arm: StepNumber
    landing: StepNumber
    error: float
    exposure: float
    taken: bool
    remaining: float | None = None
    sigma: float | None = None
    features: Mapping[str, float] = field(default_factory=dict)
    propensity: Share | None = None
    reward: float | None = None
