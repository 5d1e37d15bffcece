"""The table of a bandit over whole plans: each plan's live errors, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastflow.planning.linear_plan import LinearPlan

_TAIL = 4  # one in so many samples makes up the tail
FEWEST = 6  # paired samples before the incumbent may change
FAILED = 20.0  # the log error of a run that is not finite


@dataclass
class PlanArm:
    """A plan with its live errors.

    Attributes:
        name: what it is, such as ``default, fitted``.
        plan: the plan.
        errors: the logarithm of the root mean square difference of the final latents from the
            reference run's, by the number of the reference run.
    """

    name: str
    plan: LinearPlan
    errors: dict[int, float] = field(default_factory=dict)

    def add(self, reference: int, error: float) -> None:
        """Adds the error of one run."""
        self.errors[reference] = math.log(max(error, 1e-12)) if math.isfinite(error) else FAILED

    def score(self, references: Sequence[int] | None = None) -> float:
        """Returns the mean of the mean log error and of that of the worst quarter; low is good.

        The tail counts twice because a few undecided samples end up elsewhere under some plans,
        and small sets of samples hardly show it.

        Args:
            references: the reference runs over which to score it; all of its own if None.
        """
        values = sorted(self.errors[i] for i in (references or self.errors))
        worst = values[-math.ceil(len(values) / _TAIL) :]
        return (float(np.mean(values)) + float(np.mean(worst))) / 2

    @property
    def decibels(self) -> tuple[float, float]:
        """The mean of ``-20 log10(error)`` and its standard error; 0 for a single sample."""
        values = [-20 / math.log(10) * error for error in self.errors.values()]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return float(np.mean(values)), spread / math.sqrt(len(values))

    def to_dict(self) -> dict[str, Any]:
        """Returns the arm in JSON types."""
        errors = {str(i): error for i, error in self.errors.items()}
        return {"name": self.name, "plan": self.plan.to_dict(), "errors": errors}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> PlanArm:
        """Reads what `to_dict` returned.

        Raises:
            ValueError: if an error is not a finite number, or the plan is not one.
        """
        errors = {int(i): float(error) for i, error in content["errors"].items()}
        if not all(map(math.isfinite, errors.values())) or min(errors, default=0) < 0:
            raise ValueError("`errors` must be finite numbers, by the number of a reference run.")
        return cls(str(content["name"]), LinearPlan.from_dict(content["plan"]), errors)


def round_sizes(samples: int) -> list[int]:
    """Returns how many samples the arms of each round have run in total: 2, 4, 8, ... of them."""
    sizes = [2**i for i in range(1, 20) if 2**i < samples]
    return [*sizes[:3], samples]


def price(arms: int, samples: int, neighbours: int = 0) -> int:
    """Returns how many runs Sequential Halving takes, refits of the finalists included.

    Args:
        arms: how many arms there are.
        samples: on how many samples the last ones are tried.
        neighbours: how many neighbours of the winner are tried on all samples.
    """
    runs, before = 0, 0
    for size in round_sizes(samples):
        runs += arms * (size - before)
        before, arms = size, max(-(-arms // 2), 2)
    return runs + neighbours * samples + (2 * samples if samples > 1 else 0)


def halved(arms: Sequence[PlanArm], size: int) -> list[PlanArm]:
    """Returns the better half of the arms over the first samples; at least two."""
    ranked = sorted(arms, key=lambda arm: arm.score(range(size)))
    return ranked[: max(-(-len(arms) // 2), 2)]


def audit_time(number: int) -> int:
    """Returns after how many samples the audit of that number (from 1) is due.

    The rate falls as ``t^(-1/3)``: 3, 8, 15, 23, ..., about one in ten around the 90th sample and
    one in twenty around the 1,000th.
    """
    return math.ceil((2 * number) ** 1.5)


def differences(arm: PlanArm, other: PlanArm) -> np.ndarray:
    """Returns the paired differences of two arms' log errors, over the samples both have run."""
    common = sorted(arm.errors.keys() & other.errors.keys())
    return np.array([arm.errors[i] - other.errors[i] for i in common])


def challenger(
    incumbent: PlanArm, others: Sequence[PlanArm], random: np.random.Generator
) -> PlanArm:
    """Draws the arm that is run beside the incumbent, by Thompson sampling.

    Each arm's mean difference to the incumbent is drawn from its normal posterior; the arm with
    the lowest draw is taken. Reference: Thompson 1933, https://doi.org/10.1093/biomet/25.3-4.285.
    """
    draws = []
    for arm in others:
        seen = differences(arm, incumbent)
        spread = max(float(np.std(seen)) if len(seen) > 1 else 1.0, 0.1)
        mean = float(np.mean(seen)) if len(seen) else 0.0
        draws.append(random.normal(mean, spread / math.sqrt(max(len(seen), 1))))
    return others[int(np.argmin(draws))]


def is_better(arm: PlanArm, incumbent: PlanArm) -> bool:
    """Returns whether an arm is better with 95 % confidence, over six samples or more."""
    seen = differences(arm, incumbent)
    if len(seen) < FEWEST:
        return False
    return float(np.mean(seen)) + 1.645 * float(np.std(seen, ddof=1)) / math.sqrt(len(seen)) < 0


def arms_as_text(arms: Sequence[PlanArm], chosen: LinearPlan | None) -> Iterator[str]:
    """Yields the lines of a table of the arms, the most tried and best first."""
    yield "  plan                                runs   log error   -20 log10, dB   computed steps"
    for arm in sorted(arms, key=lambda arm: (-len(arm.errors), arm.score() if arm.errors else 0)):
        mark = "*" if arm.plan == chosen else " "
        if not arm.errors:
            continue
        mean, error = arm.decibels
        log = np.mean(list(arm.errors.values()))
        steps = " ".join(map(str, arm.plan.nodes))
        yield (
            f"{mark} {arm.name:<36}{len(arm.errors):>4}  {log:>10.2f}"
            f"  {mean:>7.1f} +- {error:<4.1f}   {steps}"
        )
