"""An episode decides for one trajectory, step by step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from torch import Tensor

from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.feedback import FeedbackSpec, Observation
from fastflow.integration.grid import Grid


class Scheme(NamedTuple):
    """How the velocities of skipped steps are made, and made better at a landing."""

    extrapolator: Extrapolator
    corrector: Corrector


class StepContext:
    """What an episode may look at when it decides about a step.

    Attributes:
        grid: the time grid.
        index: the step k, 0-based.
        streak: how many steps were skipped just before this one.
        scheme: the extrapolator and the corrector that fill the gaps.
    """

    __slots__ = ("__dict__", "_key", "grid", "index", "probe_model", "scheme", "streak")

    def __init__(self, grid: Grid, index: int, streak: int, key: tuple[int, int], scheme: Scheme):
        self.grid, self.index, self.streak, self._key = grid, index, streak, key
        self.scheme = scheme
        self.probe_model: Callable[[], Tensor | None] | None = None

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

    def before(self) -> StepContext:
        """The step before this one, seen as a computed step."""
        return StepContext(self.grid, self.index - 1, 0, self._key, self.scheme)

    @cached_property
    def random(self) -> np.random.Generator:
        """A generator seeded by (run seed, sample, step): a replay draws the same."""
        return np.random.default_rng([*self._key, self.index])

    def probe(self) -> Tensor | None:
        """Returns the model's cheap signal at the current x; None where it offers none."""
        return self.probe_model() if self.probe_model else None


class Episode(ABC):
    """Decides for one trajectory.

    Attributes:
        feedback_spec: what it wants to be told about the trajectory.
        propensities: for each step with a drawn decision, the probability of the arm drawn there.
    """

    def __init__(self, feedback_spec: FeedbackSpec = FeedbackSpec()):  # noqa: B008 (it is frozen)
        self.feedback_spec = feedback_spec
        self.propensities: dict[int, float] = {}

    @abstractmethod
    def wants_model(self, context: StepContext) -> bool:
        """Says whether to call the model at this step.

        Not asked where a call is forced, unless `FeedbackSpec.forced_steps` is set.
        """

    def observe(self, observations: Sequence[Observation]) -> None:
        """Takes what a landing shows, at once, if `FeedbackSpec.immediate` is set."""


class Unskipped(Episode):
    """Computes every step."""

    def wants_model(self, context: StepContext) -> bool:
        return True
