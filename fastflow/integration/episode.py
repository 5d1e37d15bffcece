"""An episode decides, step by step, which steps of one trajectory are computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastflow.integration.coefficients import Coefficients
from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.feedback import FeedbackSpec, Observation, Past
from fastflow.integration.grid import Grid


class Scheme(NamedTuple):
    """Holds the weights of a trajectory: the extrapolator of skipped steps and the corrector
    applied at landings, and the coefficients that replace both where they give any.
    """

    extrapolator: Extrapolator
    corrector: Corrector
    coefficients: Coefficients | None = None


class StepContext:
    """Holds what an episode may use to decide about a step.

    Attributes:
        grid: the time grid.
        index: the step k, counted from 0.
        streak: the number of steps skipped immediately before this one.
        scheme: the extrapolator and the corrector of skipped steps.
        probe_model: returns the model's cheap signal at the current x; None if it has none.
        x: the latents ``(B, ...)`` at the start of this step, and after the driver's answer those
            of the answer. It has no elements where they are not known yet: at the first step of a
            pipeline that brings its own.
        state: what the policy wants to remember from step to step; empty at the start of each
            trajectory.
        features: what the policy said about this choice (`SkipLength.features`); empty if nothing.
        is_foreseen: whether the step is asked about before it is reached, to find what leads to a
            number of computed steps. Then `x` is empty, `last` is None and there is no probe.
    """

    __slots__ = ("__dict__", "_key", "grid", "index", "probe_model", "scheme", "streak")

    def __init__(self, grid: Grid, index: int, streak: int, key: tuple[int, int], scheme: Scheme):
        self.grid, self.index, self.streak, self._key = grid, index, streak, key
        self.scheme = scheme
        self.probe_model: Callable[[], Tensor | None] | None = None
        self.x: Tensor = torch.empty(0)
        self._past: Sequence[Past] = ()
        self.state: dict[str, Any] = {}
        self.features: Mapping[str, float] = {}
        self.is_foreseen = False

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
        """The largest number of following steps that may be skipped in a row."""
        return self.grid.longest_skip[self.index]

    @property
    def last(self) -> Past | None:
        """The last computed velocity with its step and its sigma; None before the first.

        Read it while the step is decided: later it is the velocity of a later step.
        """
        return self._past[0] if self._past else None

    def at(self, x: Tensor, past: Sequence[Past]) -> StepContext:
        """Returns this context with its latents and the computed velocities, newest first."""
        self.x, self._past = x, past
        return self

    def before(self) -> StepContext:
        """Returns the context of the previous step, a computed one, as it is known by now.

        What it skips begins at the present step. So `x` and the probe are those of the present
        step, and `last` is the velocity that the previous step computed.
        """
        done = StepContext(self.grid, self.index - 1, 0, self._key, self.scheme)
        done.probe_model, done.state = self.probe_model, self.state
        return done.at(self.x, self._past)

    def at_step(self, index: int) -> StepContext:
        """Returns the context of another step of the same sample, as it is known in advance."""
        foreseen = StepContext(self.grid, index, 0, self._key, self.scheme)
        foreseen.is_foreseen = True
        return foreseen

    @cached_property
    def random(self) -> np.random.Generator:
        """A generator seeded by (run seed, sample, step), so that a replay draws the same."""
        return np.random.default_rng([*self._key, self.index])

    def probe(self) -> Tensor | None:
        """Returns the model's cheap signal at the current x; None if the model has none.

        Raises:
            ValueError: if the step is only foreseen.
        """
        if self.is_foreseen:
            raise ValueError(
                f"`probe()` has no signal at step {self.index}: the policy is asked about this "
                "step before it is reached, to find what leads to `computed_steps`. Leave "
                "`computed_steps` out, or do not probe where `context.is_foreseen`."
            )
        return self.probe_model() if self.probe_model else None


class Episode(ABC):
    """Decides which steps of one trajectory are computed.

    Attributes:
        feedback_spec: which feedback the episode needs from the trajectory.
        propensities: for each step with a drawn decision, the probability of the arm drawn there.
        features: for each computed step, what the decision that followed was based on, as numbers
            by name; `Observation.features` hands them on to what learns.
        coefficients: the weights of this trajectory, in place of the scheme's; None to use those.
    """

    coefficients: Coefficients | None = None

    def __init__(self, feedback_spec: FeedbackSpec = FeedbackSpec()):  # noqa: B008 (it is frozen)
        self.feedback_spec = feedback_spec
        self.propensities: dict[int, float] = {}
        self.features: dict[int, Mapping[str, float]] = {}

    @abstractmethod
    def wants_model(self, context: StepContext) -> bool:
        """Returns whether to call the model at this step.

        It is not called at forced steps unless `FeedbackSpec.forced_steps` is set.
        """

    def observe(self, observations: Sequence[Observation]) -> None:
        """Takes the observations of a landing immediately, if `FeedbackSpec.immediate` is set."""


class Unskipped(Episode):
    """Computes every step."""

    def wants_model(self, context: StepContext) -> bool:
        return True
