"""Rules for rewards."""

from __future__ import annotations

import json
import math
from itertools import pairwise

from fastflow.integration.feedback import Observation
from fastflow.integration.losses import LOSSES
from fastflow.policies.reward import Reward
from fastflow.testing.rule import demand, rule

STEPS = 20


@rule
def measures_errors_in_a_known_loss(reward: Reward) -> None:
    """The loop computes what `loss` names."""
    demand(reward.loss in LOSSES, f"the loss is {reward.loss!r}")


@rule
def gives_a_finite_number(reward: Reward) -> None:
    """For every arm and every size of error, a float."""
    constants = reward.calibrate(_lesson(), STEPS)
    for seen in [*_lesson(), _seen(4, 0.0), _seen(4, 1e6)]:
        value = reward.value(seen, constants)
        demand(isinstance(value, float) and math.isfinite(value), f"{seen} is worth {value!r}")


@rule
def a_larger_error_is_never_worth_more(reward: Reward) -> None:
    """Of the same arm at the same step."""
    constants = reward.calibrate(_lesson(), STEPS)
    for arm in (0, 1, 2, 6):
        values = [reward.value(_seen(arm, e), constants) for e in (0, 1e-6, 0.01, 0.5, 3.0)]
        falling = all(b <= a for a, b in pairwise(values))
        demand(falling, f"arm {arm} is worth {values} as the error grows")


@rule
def its_constants_can_be_saved(reward: Reward) -> None:
    """They are kept in memory.json: named finite floats."""
    constants = reward.calibrate(_lesson(), STEPS)
    _demand_finite(constants)
    demand(json.loads(json.dumps(constants)) == constants, f"{constants} changes in JSON")


@rule
def a_first_generation_that_teaches_little_does_no_harm(reward: Reward) -> None:
    """Nothing seen, no errors at all, or no arm but 0: all constants and rewards are finite."""
    feedbacks = [], [_seen(0, 0.2)], [_seen(0, 0.0), _seen(2, 0.0)]
    for feedback in feedbacks:
        constants = reward.calibrate(feedback, STEPS)
        _demand_finite(constants)
        value = reward.value(_seen(2, 0.3), constants)
        demand(math.isfinite(value), f"after {feedback} a reward is {value}")


@rule
def gives_the_same_reward_whenever_asked(reward: Reward) -> None:
    """It is a pure function of what was seen and of its constants."""
    constants = reward.calibrate(_lesson(), STEPS)
    first = [reward.value(o, constants) for o in _lesson()]
    again = [reward.value(o, constants) for o in reversed(_lesson())]
    demand(first == again[::-1], "asked again in another order it gave other rewards")
    demand(reward.calibrate(_lesson(), STEPS) == constants, "calibrated again it differs")


def _seen(arm: int, error: float, step: int = 3) -> Observation:
    exposure = arm * (arm + 1) / 2 / (arm + 1) / STEPS
    return Observation(step, arm, step + arm + 1, error, exposure, True)


def _lesson() -> list[Observation]:
    return [_seen(m, 0.01 * (m + 1) * (k + 1), k) for k in range(5) for m in (0, 2, 4)]


def _demand_finite(constants: dict[str, float]) -> None:
    finite = all(isinstance(c, float) and math.isfinite(c) for c in constants.values())
    demand(finite, f"the constants are {constants}")
