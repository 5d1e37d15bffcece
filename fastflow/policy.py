"""Policies decide which steps are computed. A policy is a recipe, an episode one trajectory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from fastflow.corrector import Corrector
from fastflow.extrapolator import Extrapolator
from fastflow.grid import Grid
from fastflow.memory import Memory
from fastflow.records import Lesson, Observation

if TYPE_CHECKING:
    from fastflow.recording import Recording


class Scheme(NamedTuple):
    """How the velocities of skipped steps are made, and made better at a landing."""

    extrapolator: Extrapolator
    corrector: Corrector


class Now:
    """What an episode may look at when it decides about a step.

    Attributes:
        grid: the time grid.
        index: the step k, 0-based.
        streak: how many steps were skipped just before this one.
        scheme: the extrapolator and the corrector that fill the gaps.
    """

    __slots__ = ("__dict__", "_key", "grid", "index", "look", "scheme", "streak")

    def __init__(self, grid: Grid, index: int, streak: int, key: tuple[int, int], scheme: Scheme):
        self.grid, self.index, self.streak, self._key = grid, index, streak, key
        self.scheme = scheme
        self.look: Callable[[], Tensor | None] | None = None

    @property
    def sample(self) -> int:
        """The number of the sample in its run."""
        return self._key[1]

    @property
    def total(self) -> int:
        """The number T of steps."""
        return self.grid.steps

    @property
    def sigma(self) -> float:
        """The time of this step: 1 is noise, 0 is data."""
        return self.grid.sigma[self.index]

    @property
    def dsigma(self) -> float:
        """The (negative) size of this step."""
        return self.grid.sigma[self.index + 1] - self.sigma

    @property
    def longest_skip(self) -> int:
        """How many of the following steps may be skipped before one has to be computed."""
        return self.grid.longest_skip[self.index]

    def before(self) -> Now:
        """The step before this one, seen as a computed step."""
        return Now(self.grid, self.index - 1, 0, self._key, self.scheme)

    @cached_property
    def random(self) -> np.random.Generator:
        """A generator seeded by (run seed, sample, step): a replay draws the same."""
        return np.random.default_rng([*self._key, self.index])

    def probe(self) -> Tensor | None:
        """Asks the model for its cheap look at the current x; None where it offers none."""
        return self.look() if self.look else None


class Episode(ABC):
    """Decides for one trajectory.

    Attributes:
        loss: the name of the loss that its observations are measured in.
        learns: whether observations of unskipped steps (arm 0) are wanted too.
        lookback: how many earlier computed steps to observe besides the last one; each costs the
            memory of one velocity.
        gram: over how many earlier computed velocities inner products are taken (`Lesson.gram`);
            0 takes none. As `lookback`, each costs the memory of one velocity.
        attends: whether it is asked also where a call is forced, and its answer without effect.
        watches: whether `observe` is called at once, at the price of a device synchronisation.
        propensities: for each step with a drawn decision, the probability of the arm drawn there.
    """

    loss: str = "mse"
    learns: bool = False
    lookback: int = 0
    gram: int = 0
    attends: bool = False
    watches: bool = False

    def __init__(self):
        self.propensities: dict[int, float] = {}

    @abstractmethod
    def wants_model(self, now: Now) -> bool:
        """Says whether to call the model at this step.

        Not asked where a call is forced, unless it `attends`.
        """

    def observe(self, observations: Sequence[Observation]) -> None:
        """Takes what a model call taught, at once, if `watches` is set."""


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """A recipe for deciding which steps are computed; its fields are its parameters."""

    @abstractmethod
    def begin(self, grid: Grid, memory: Memory) -> Episode:
        """Begins one trajectory; raises ValueError if the policy does not fit the grid."""

    def empty(self, grid: Grid) -> Memory:
        """Returns a memory that has learned nothing, for trajectories on this grid."""
        return Memory()

    def learn(self, memory: Memory, lesson: Lesson) -> None:
        """Takes what one trajectory taught into memory."""

    def rewards(self, memory: Memory, observations: Sequence[Observation]) -> list[float | None]:
        """Returns the reward of each observation, where the policy knows one; for the records."""
        return [None] * len(observations)

    def calibrated(self, recording: Recording) -> Policy:
        """Returns this policy with its parameters fitted to recorded trajectories.

        Raises:
            ValueError: if it has none to fit, or the recording lacks what it needs.
        """
        raise ValueError(
            f"`{type(self).__name__}` has nothing to calibrate: it takes its parameters as given."
        )

    def quality(self, recording: Recording) -> dict[str, float]:
        """Returns how well its parameters fit recorded trajectories: numbers by name."""
        return {}

    def round_size(self, memory: Memory) -> int | None:
        """Says how many samples may run before memory has to learn; None if it never does."""
        return None


@dataclass(frozen=True, kw_only=True)
class SkipLength(Policy):
    """A policy that draws, at a computed step, how many of the following steps to skip.

    Args:
        arms: the numbers of skipped steps to choose from; rising, starting with 0.
    """

    arms: tuple[int, ...] = (0, 2, 4, 6)

    def __post_init__(self):
        object.__setattr__(self, "arms", tuple(self.arms))
        if not self.arms or self.arms[0] != 0:
            raise ValueError(
                f"`arms` must start with 0, got {list(self.arms)}: arm 0 computes the next step."
            )
        if any(b <= a for a, b in zip(self.arms, self.arms[1:], strict=False)):
            raise ValueError(f"`arms` must rise, got {list(self.arms)}.")

    @abstractmethod
    def probabilities(self, arms: Sequence[int], now: Now, memory: Memory) -> Sequence[float]:
        """Returns the probability of each of the feasible ``arms`` at this step; sums to 1."""

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        self.check_fit(grid)
        return Countdown(self, memory)

    def check_fit(self, grid: Grid) -> None:
        """Raises a ValueError if the longest arm fits nowhere on the grid."""
        if self.arms[-1] > max(grid.longest_skip):
            raise ValueError(
                f"`arms` {list(self.arms)} do not fit a grid of {grid.steps} steps: at most "
                f"{max(grid.longest_skip)} steps in a row can be skipped there. "
                "Use shorter arms or more steps."
            )


class Unskipped(Episode):
    """Computes every step, and observes every arm it could have taken."""

    def __init__(self, lookback: int = 0):
        super().__init__()
        self.lookback = lookback

    def wants_model(self, now: Now) -> bool:
        return True


class Countdown(Episode):
    """Draws a skip length at each computed step and counts it down."""

    def __init__(self, policy: SkipLength, memory: Memory):
        super().__init__()
        self.policy, self.memory = policy, memory
        self.left = 0  # steps still to skip

    def wants_model(self, now: Now) -> bool:
        if now.streak == 0:
            self.left = self.draw(now.before())
        self.left -= 1
        return self.left < 0

    def draw(self, now: Now) -> int:
        """Draws the arm of the computed step ``now``."""
        arms = [m for m in self.policy.arms if m <= now.longest_skip]
        if len(arms) == 1:
            return arms[0]
        chances = self.policy.probabilities(arms, now, self.memory)
        pick = pick_by(chances, now)
        self.propensities[now.index] = float(chances[pick])
        return arms[pick]


def pick_by(chances: Sequence[float], now: Now) -> int:
    """Draws an index by its probability; certain choices use no randomness."""
    best = max(range(len(chances)), key=chances.__getitem__)
    if chances[best] >= 1.0:
        return best
    return int(now.random.choice(len(chances), p=chances))
