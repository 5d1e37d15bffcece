"""Policies that choose, at a computed step, how many of the following steps to skip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fastflow.integration.episode import Episode, StepContext, Unskipped
from fastflow.integration.feedback import FeedbackSpec
from fastflow.integration.grid import Grid
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy


@dataclass(frozen=True, kw_only=True)
class SkipLength(Policy):
    """Draws, at a computed step, how many of the following steps to skip.

    Args:
        arms: the numbers of skipped steps to choose from, increasing and starting with 0.
    """

    arms: tuple[int, ...] = (0, 2, 4, 6)

    def __post_init__(self):
        object.__setattr__(self, "arms", tuple(self.arms))
        if not self.arms or self.arms[0] != 0:
            raise ValueError(
                f"`arms` must start with 0, got {list(self.arms)}: arm 0 computes the next step."
            )
        if any(b <= a for a, b in zip(self.arms, self.arms[1:], strict=False)):
            raise ValueError(f"`arms` must be increasing, got {list(self.arms)}.")

    @abstractmethod
    def arm_probabilities(
        self, arms: Sequence[int], context: StepContext, memory: Memory
    ) -> Sequence[float] | np.ndarray:
        """Returns the probability of each of the feasible ``arms`` at this step; they sum to 1.

        Args:
            arms: the numbers of skipped steps that fit here, two or more.
            context: the computed step whose arm is drawn. The draw comes right before the next
                step, so `x` and `probe` are those of the next step, and `features` are there.
            memory: what was learned so far.
        """

    def features(self, context: StepContext) -> Mapping[str, float]:
        """Returns what the choice at a computed step is based on, as numbers by name.

        For contextual bandits. It is called once for each choice, before `arm_probabilities`,
        which finds the result in `StepContext.features`; `Observation.features` hands it to the
        reward and to `learn`, and a run keeps it in its records. In warm-up samples, which make no
        choice, a bandit calls it all the same.

        Args:
            context: as for `arm_probabilities`; what is to be remembered from step to step goes
                into `StepContext.state`.
        """
        return {}

    @property
    def has_features(self) -> bool:
        """Whether choices are based on features."""
        return type(self).features is not SkipLength.features

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        self.check_fit(grid)
        return Countdown(self, memory)

    def check_fit(self, grid: Grid) -> None:
        """Raises a ValueError if the grid has room for none of the arms but 0.

        Longer arms are never feasible there, as near the end of any grid.
        """
        if len(self.arms) > 1 and self.arms[1] > max(grid.longest_skip):
            raise ValueError(
                f"`arms` {list(self.arms)} do not fit a grid of {grid.steps} steps: at most "
                f"{max(grid.longest_skip)} steps in a row can be skipped there. "
                "Use shorter arms or more steps."
            )


class Countdown(Episode):
    """Draws a skip length at each computed step and counts it down."""

    def __init__(
        self,
        policy: SkipLength,
        memory: Memory,
        feedback_spec: FeedbackSpec = FeedbackSpec(),  # noqa: B008 (it is frozen)
    ):
        super().__init__(feedback_spec)
        self.policy, self.memory = policy, memory
        self.left = 0  # the steps still to skip

    def wants_model(self, context: StepContext) -> bool:
        if context.streak == 0:
            self.left = self.draw(context.before())
        self.left -= 1
        return self.left < 0

    def draw(self, context: StepContext) -> int:
        """Draws the arm of a computed step, from those that fit before the next forced step."""
        arms = [m for m in self.policy.arms if m <= context.longest_skip]
        if len(arms) == 1:
            return arms[0]
        note_features(self, self.policy, context)
        probabilities = self.policy.arm_probabilities(arms, context, self.memory)
        drawn = draw_index(probabilities, context)
        self.propensities[context.index] = float(probabilities[drawn])
        return arms[drawn]


class Observing(Unskipped):
    """Computes every step, and notes the features of each choice that could have been made."""

    def __init__(self, policy: SkipLength, feedback_spec: FeedbackSpec):
        super().__init__(feedback_spec)
        self.policy = policy

    def wants_model(self, context: StepContext) -> bool:
        note_features(self, self.policy, context.before())
        return True


def note_features(episode: Episode, policy: SkipLength, context: StepContext) -> None:
    """Notes a policy's features of the choice at a computed step, in its context too.

    Raises:
        ValueError: if they are not numbers by name.
    """
    if not policy.has_features:
        return
    named = policy.features(context)
    try:
        noted = {name: float(value) for name, value in named.items()}
        valid = all(isinstance(name, str) for name in noted)
    except (AttributeError, TypeError, ValueError, RuntimeError):
        noted, valid = {}, False
    if not valid:
        raise ValueError(
            f"`features` of {type(policy).__name__} must return numbers by name, such as "
            f'{{"change": 0.1}}, got {named!r}.'
        )
    context.features = episode.features[context.index] = noted


def draw_index(probabilities: Sequence[float] | np.ndarray, context: StepContext) -> int:
    """Draws an index by its probability; a certain choice uses no random number."""
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    if probabilities[best] >= 1.0:
        return best
    return int(context.random.choice(len(probabilities), p=probabilities))
