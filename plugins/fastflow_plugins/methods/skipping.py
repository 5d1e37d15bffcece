"""Skipping: any policy, extrapolator and corrector, through the sampler."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from fastflow.evaluation import Bench, Knob, Learned, Method, turn
from fastflow.integration import Corrector, Extrapolator, Scheme
from fastflow.policies import Memory, Policy, SkipLength
from fastflow.sampling import Request, Sample, Sampler
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.policies import Uniform


@dataclass(frozen=True, kw_only=True)
class Skipping(Method):
    """Skips steps as a policy decides.

    Args:
        policy: decides which steps are computed.
        extrapolator: predicts the velocities of skipped steps.
        corrector: corrects the position at landings.
        turns: the parameter that decides how many steps are computed, such as
            ``policy.computed_steps``.
        low: its lowest value that a search tries; `computed_steps` is set without a search.
        high: its highest value that a search tries.
        whole: whether it is a whole number.
        frozen: whether the memory is only read during the measurement; otherwise learning and
            exploration continue.
        calibrates: whether the policy's parameters are first fitted to the tuning trajectories.
    """

    replays = True

    policy: Policy = Uniform()
    extrapolator: Extrapolator = Linear()
    corrector: Corrector = Interpolate()
    turns: str = "policy.computed_steps"
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    frozen: bool = False
    calibrates: bool = False

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"`low` must not be above `high`, got {self.low} and {self.high}.")

    @property
    def knob(self) -> Knob:
        """The parameter that decides how many steps are computed.

        Raises:
            ValueError: if its components have no such parameter.
        """
        self._check_turns()
        exact = self.turns.endswith(".computed_steps")
        return Knob(self.turns, self.low, self.high, self.whole, exact)

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        if self.calibrates:
            policy = self.policy.calibrated(bench.tuning)
            return Learned(policy, len(bench.tuning.requests), bench.tuning.calls)
        policy = with_fewer_warmups(self.policy, len(requests))
        sampler, samples, rest = self._sampler(bench, policy), [], list(requests)
        while rest and (size := sampler.samples_until_update(bench.steps)):
            samples += sampler.run(rest[:size])
            rest = rest[size:]
        if samples:
            samples += sampler.run(rest[:1])  # so that a plan, which is made once, is not timed
        memory = sampler.memory if samples else None
        calls = sum(sample.calls for sample in samples)
        return Learned(memory, len(samples), calls + (memory.learning_calls if memory else 0))

    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        yield from self._ready(bench, learned).run(requests)

    def is_separable(self, bench: Bench, learned: Learned) -> bool:
        sampler = self._ready(bench, learned)
        return sampler.samples_until_update(bench.steps) is None

    def fallback(self) -> Method | None:
        """Returns even spacing with the same number of computed steps, in place of a plan.

        A bandit has none: it learns from what happens live.
        """
        count = getattr(self.policy, "computed_steps", 0)
        if self.turns != "policy.computed_steps" or isinstance(self.policy, Uniform | SkipLength):
            return None
        return replace(self, policy=Uniform(computed_steps=count), frozen=False, calibrates=False)

    def scheme(self, bench: Bench, learned: Learned) -> Scheme | None:
        policy = learned.what if isinstance(learned.what, Policy) else self.policy
        grid = bench.model.grid(bench.steps)
        memory = learned.what if isinstance(learned.what, Memory) else policy.empty(grid)
        fits = policy.begin(grid, copy.deepcopy(memory)).coefficients is not None
        if fits or self.extrapolator.reference_runs:
            return None
        return Scheme(self.extrapolator, self.corrector)

    def _check_turns(self) -> None:
        """Raises a ValueError unless `turns` names a parameter of a component."""
        component: Any = self
        for name in self.turns.split("."):
            names = [f.name for f in fields(component)] if is_dataclass(component) else []
            if name not in names:
                raise ValueError(
                    f"`turns` is {self.turns!r}, but `{type(component).__name__}` has no "
                    f"parameter {name!r}. It has: {', '.join(names) or 'none'}."
                )
            component = getattr(component, name)

    def _ready(self, bench: Bench, learned: Learned) -> Sampler:
        """Returns the sampler that begins with what was learned."""
        state = copy.deepcopy(learned.what)
        sampler = self._sampler(bench, state if isinstance(state, Policy) else self.policy)
        if isinstance(state, Memory):
            state.frozen = self.frozen
            sampler.memory = state
        return sampler

    def _sampler(self, bench: Bench, policy: Policy) -> Sampler:
        parts = policy, self.extrapolator, self.corrector
        return Sampler(bench.model, *parts, seed=bench.seed, max_batch=bench.max_batch)


def with_fewer_warmups(policy: Policy, at_most: int) -> Policy:
    """Returns the policy with as many warm-up samples as there are samples to learn from."""
    wanted = getattr(policy, "warmup_samples", 0)
    return turn(policy, ["warmup_samples"], at_most) if wanted > at_most else policy
