"""The negative control: a comparison that does not put it last is itself wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastflow.evaluation import Bench, Knob, Learned, Method
from fastflow.integration import Extrapolator, NoCorrection
from fastflow.sampling import Request, Sample, Sampler
from fastflow_plugins.policies import Uniform


@dataclass(frozen=True)
class Backwards(Extrapolator):
    """Predicts the last velocity with its sign reversed."""

    @property
    def depth(self) -> int:
        return 1

    def weights(self, times: Sequence[float], t: float) -> tuple[float, ...]:
        return (-1.0,)


@dataclass(frozen=True, kw_only=True)
class NegativeControl(Method):
    """Reverses the sign of the velocity at skipped steps: a deliberately wrong method.

    Args:
        computed_steps: how many steps are computed, evenly spread.
    """

    computed_steps: int = 19

    def __post_init__(self):
        if self.computed_steps < 2:
            raise ValueError(f"`computed_steps` must be 2 or more, got {self.computed_steps}.")

    @property
    def knob(self) -> Knob:
        return Knob("computed_steps", is_computed_steps=True)

    def is_separable(self, bench: Bench, learned: Learned) -> bool:
        return True

    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        parts = Uniform(computed_steps=self.computed_steps), Backwards(), NoCorrection()
        yield from Sampler(bench.model, *parts, max_batch=bench.max_batch).generate(requests)
