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
    """The loss is one that the loop can compute."""
    demand(reward.loss in LOSSES, f"the loss is {reward.loss!r}")


@rule
def gives_a_finite_number(reward: Reward) -> None:
    """For every arm and every size of error."""
    constants = reward.calibrate(_observations(), STEPS)
    for seen in [*_observations(), _seen(4, 0.0), _seen(4, 1e6)]:
        value = reward.value(seen, constants)
        demand(isinstance(value, float) and math.isfinite(value), f"{seen} has reward {value!r}")


@rule
def a_larger_error_is_never_worth_more(reward: Reward) -> None:
    """For the same arm at the same step."""
    constants = reward.calibrate(_observations(), STEPS)
    for arm in (0, 1, 2, 6):
        values = [reward.value(_seen(arm, e), constants) for e in (0, 1e-6, 0.01, 0.5, 3.0)]
        falling = all(b <= a for a, b in pairwise(values))
        demand(falling, f"the rewards of arm {arm} are {values} as the error grows")


@rule
def its_constants_can_be_saved(reward: Reward) -> None:
    """They are finite floats by name, which memory.json stores."""
    constants = reward.calibrate(_observations(), STEPS)
    _demand_finite(constants)
    demand(json.loads(json.dumps(constants)) == constants, f"{constants} changes in JSON")


@rule
def a_sparse_first_generation_gives_finite_rewards(reward: Reward) -> None:
    """Constants and rewards are finite with no observations, no errors, or no arm but 0."""
    feedbacks = [], [_seen(0, 0.2)], [_seen(0, 0.0), _seen(2, 0.0)]
    for feedback in feedbacks:
        constants = reward.calibrate(feedback, STEPS)
        _demand_finite(constants)
        value = reward.value(_seen(2, 0.3), constants)
        demand(math.isfinite(value), f"after {feedback} a reward is {value}")


@rule
def gives_the_same_reward_whenever_asked(reward: Reward) -> None:
    """The reward is a pure function of the observation and the constants."""
    constants = reward.calibrate(_observations(), STEPS)
    first = [reward.value(o, constants) for o in _observations()]
    again = [reward.value(o, constants) for o in reversed(_observations())]
    demand(first == again[::-1], "called again in another order it returned other rewards")
    demand(
        reward.calibrate(_observations(), STEPS) == constants,
        "calibrated again it returned other constants",
    )


def _seen(arm: int, error: float, step: int = 3) -> Observation:
    exposure = arm * (arm + 1) / 2 / (arm + 1) / STEPS
    return Observation(step, arm, step + arm + 1, error, exposure, True)


def _observations() -> list[Observation]:
    return [_seen(m, 0.01 * (m + 1) * (k + 1), k) for k in range(5) for m in (0, 2, 4)]


def _demand_finite(constants: dict[str, float]) -> None:
    finite = all(isinstance(c, float) and math.isfinite(c) for c in constants.values())
    demand(finite, f"the constants are {constants}")
