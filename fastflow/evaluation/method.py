"""Methods: ways to generate with fewer network calls, each with one knob, to be compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from fastflow.sampling.model import FlowModel
from fastflow.sampling.recording import Recording, Replay
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample


@dataclass(frozen=True)
class Knob:
    """What decides how many steps a method computes.

    Args:
        name: the parameter, dotted if it is a component's: ``policy.threshold``.
        low: its lowest value to try.
        high: its highest.
        whole: whether it is a whole number.
        is_computed_steps: whether its value is the number of computed steps itself; then nothing
            is searched.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    is_computed_steps: bool = False


@dataclass
class Bench:
    """What every method is given: one model, and trajectories to tune and learn on.

    Args:
        model: the loaded model.
        steps: the number T of steps of the full run.
        tuning: recorded trajectories of prompts apart from those that are measured.
        references: by the requests' indices, the reference runs of those that are measured, with
            their Gram matrices; for oracles.
        seed: of policies' random draws.
        max_batch: how many samples are under way at once.
    """

    model: FlowModel
    steps: int
    tuning: Recording
    references: dict[int, Sample] = field(default_factory=dict)
    seed: int = 0
    max_batch: int = 8

    def replayed(self) -> Bench:
        """Returns the same bench with a model that plays the tuning trajectories back."""
        return replace(self, model=Replay(self.model, self.tuning.trajectories))


@dataclass(frozen=True)
class Learned:
    """What a method found out before it is measured, and what that took.

    Args:
        what: whatever the method needs.
        samples: how many samples it was learned from.
        calls: the network calls that took.
        facts: numbers worth a place in the table, by name.
    """

    what: Any = None
    samples: int = 0
    calls: int = 0
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A way to generate with fewer network calls.

    Attributes:
        replays: whether its calls can be found out on played-back trajectories, without a model.
        is_oracle: whether it learns from the very samples it is measured on: what could have been
            reached, not something to use.
        exact_at_zero: whether a knob of 0 makes it the full run, bit for bit.
    """

    replays: ClassVar[bool] = False
    is_oracle: ClassVar[bool] = False
    exact_at_zero: ClassVar[bool] = False

    @property
    @abstractmethod
    def knob(self) -> Knob:
        """What decides how many steps it computes."""

    def at(self, value: float) -> Method:
        """Returns this method with its knob at a value."""
        value = round(value) if self.knob.whole or self.knob.is_computed_steps else value
        return turn(self, self.knob.name.split("."), value)

    def unavailable(self) -> str:
        """Says in one line why it cannot be used here; empty if it can."""
        return ""

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        """Learns what it needs, from prompts apart from those it is measured on.

        Of a method that does not replay, it must not depend on a knob that is searched.
        """
        return Learned()

    @abstractmethod
    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        """Generates; yields samples as they finish, with the network calls they really took."""


def turn(component: Any, path: Sequence[str], value: Any) -> Any:
    """Returns a frozen dataclass with one of its parameters, maybe of an inner one, changed."""
    name, *rest = path
    inner = turn(getattr(component, name), rest, value) if rest else value
    return replace(component, **{name: inner})
