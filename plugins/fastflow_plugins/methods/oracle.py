"""The oracle: schedules optimised on the measured samples, as a yardstick for all policies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastflow.evaluation import Bench, Knob, Learned, Method
from fastflow.integration import Corrector, Episode, Extrapolator, Grid, Scheme, StepContext
from fastflow.planning import OptimalSchedule
from fastflow.policies import Memory, Policy
from fastflow.sampling import Request, Sample, Sampler
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear


@dataclass(frozen=True, kw_only=True)
class Oracle(Method):
    """Follows the schedule of least *recorded* cost on the very samples that are measured.

    That is not the best there can be: a schedule that costs more on the recorded velocities may
    do better when it is run. Their reference trajectories are recorded, every skip's cost is
    tabulated, and dynamic programming finds the schedule of least accumulated cost
    (`OptimalSchedule`). The schedule is then run live, and both errors are reported.

    Args:
        extrapolator: predicts the velocities of skipped steps.
        corrector: corrects the position at landings.
        computed_steps: how many steps are computed.
        per_sample: whether each sample has a schedule of its own; otherwise all share one.
        longest: the most steps that are skipped in a row.
    """

    is_oracle = True

    extrapolator: Extrapolator = Linear()
    corrector: Corrector = Interpolate()
    computed_steps: int = 19
    per_sample: bool = False
    longest: int = 8

    def __post_init__(self):
        for name in ("computed_steps", "longest"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")

    @property
    def knob(self) -> Knob:
        return Knob("computed_steps", is_computed_steps=True)

    def optimum(self) -> dict[str, Any]:
        return {"least": "each" if self.per_sample else "shared", "longest": self.longest}

    def scheme(self, bench: Bench, learned: Learned) -> Scheme:
        return Scheme(self.extrapolator, self.corrector)

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        grams = {r.index: gram_of(bench.references[r.index]) for r in requests}
        scheme, grid = Scheme(self.extrapolator, self.corrector), bench.model.grid(bench.steps)
        search = OptimalSchedule(
            np.stack(list(grams.values())), grid, scheme, self.longest, self.per_sample
        )
        best = search.best(self.computed_steps)
        if self.per_sample:
            costs = [search.cost(steps)[i] for i, steps in enumerate(best)]
        else:
            (shared,) = best
            costs, best = list(search.cost(shared)), best * len(grams)
        facts = {"predicted_rms": math.sqrt(np.square(costs).mean())}
        calls = sum(bench.references[i].calls for i in grams)
        return Learned(dict(zip(grams, best, strict=True)), len(grams), calls, facts)

    def is_separable(self, bench: Bench, learned: Learned) -> bool:
        return True

    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        policy = Prescribed(steps=learned.what)
        parts = policy, self.extrapolator, self.corrector
        yield from Sampler(bench.model, *parts, max_batch=bench.max_batch).generate(requests)


def gram_of(sample: Sample) -> np.ndarray:
    """Returns the mean products ``(T, T)`` of a reference run's velocities.

    Raises:
        ValueError: if it did not record them.
    """
    if sample.feedback.gram is None:
        raise ValueError(
            "the reference runs were made without `Reference(gram=...)`, which an oracle needs."
        )
    return sample.feedback.gram


@dataclass(frozen=True, kw_only=True)
class Prescribed(Policy):
    """Computes the steps that are prescribed for each sample.

    Args:
        steps: the computed steps of each sample, by its index.
    """

    steps: dict[int, tuple[int, ...]]

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return Following(self.steps)


class Following(Episode):
    """Computes the prescribed steps of its sample."""

    def __init__(self, steps: Mapping[int, Sequence[int]]):
        super().__init__()
        self.steps = steps

    def wants_model(self, context: StepContext) -> bool:
        return context.index in self.steps[context.sample]
