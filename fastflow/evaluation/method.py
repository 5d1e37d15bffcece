"""Methods: ways to generate with fewer network calls, each with one knob, for comparison."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from fastflow.integration.episode import Scheme
from fastflow.sampling.model import FlowModel
from fastflow.sampling.recording import Recording, Replay
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample


@dataclass(frozen=True)
class Knob:
    """Describes the parameter that controls how many steps a method computes.

    Args:
        name: the parameter's name, dotted if it is of an inner component: ``policy.threshold``.
        low: the lowest value to try.
        high: the highest value to try.
        whole: whether it is an integer.
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
    """Holds the inputs of every method: one model, and trajectories for tuning and learning.

    Args:
        model: the loaded model.
        steps: the number T of steps of the reference run.
        tuning: recorded trajectories of prompts that are not measured.
        references: the reference runs of the measured requests, with their Gram matrices, by
            request index; for oracles.
        seed: seeds the policies' random draws.
        max_batch: the largest number of samples at a time.
    """

    model: FlowModel
    steps: int
    tuning: Recording
    references: dict[int, Sample] = field(default_factory=dict)
    seed: int = 0
    max_batch: int = 8

    def replayed(self) -> Bench:
        """Returns this bench with a model that replays the tuning trajectories."""
        return replace(self, model=Replay(self.model, self.tuning.trajectories))


@dataclass(frozen=True)
class Learned:
    """Holds what a method learned before it is measured, and the cost of learning.

    Args:
        what: the learned state, of whatever type the method needs.
        samples: the number of samples it was learned from.
        calls: the network calls that learning took.
        facts: further numbers for the table of results, by name.
    """

    what: Any = None
    samples: int = 0
    calls: int = 0
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """Generates samples with fewer network calls.

    Attributes:
        replays: whether its calls can be counted on replayed trajectories, without a model.
        is_oracle: whether it learns from the very samples on which it is measured; it then shows
            what is attainable, and is not for use.
        exact_at_zero: whether it equals the reference run, bit for bit, if its knob is 0.
    """

    replays: ClassVar[bool] = False
    is_oracle: ClassVar[bool] = False
    exact_at_zero: ClassVar[bool] = False

    @property
    @abstractmethod
    def knob(self) -> Knob:
        """The parameter that controls how many steps it computes."""

    def at(self, value: float) -> Method:
        """Returns this method with its knob set to a value, rounded if it is an integer."""
        value = round(value) if self.knob.whole or self.knob.is_computed_steps else value
        return turn(self, self.knob.name.split("."), value)

    def unavailable(self) -> str:
        """Returns one line that states why it cannot be used here; empty if it can."""
        return ""

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        """Learns what the method needs, from prompts on which it is not measured.

        If the method does not replay, the result must not depend on a knob that is searched.
        """
        return Learned()

    def is_separable(self, bench: Bench, learned: Learned) -> bool:
        """Returns whether samples are the same if several processes generate a part of them each.

        They are not if the method learns from one sample for the next.
        """
        return False

    def fallback(self) -> Method | None:
        """Returns a method that plans nothing and computes as many steps; None if there is none.

        A comparison measures it in this one's place, and says so, if the error of a plan in live
        runs is a multiple of what was predicted and the fallback's is smaller.
        """
        return None

    def scheme(self, bench: Bench, learned: Learned) -> Scheme | None:
        """Returns the extrapolator and the corrector if skipped steps follow from them alone.

        None if weights were fitted or planned, or the method is of another kind.
        """
        return None

    def optimum(self) -> dict[str, Any]:
        """Returns what no other schedule of its scheme has less of; empty unless an oracle.

        Returns:
            ``least``: ``shared``, the recorded cost for all samples together, or ``each``, that of
            each sample; and ``longest``, the most steps in a row that its schedules skip.
        """
        return {}

    @abstractmethod
    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        """Generates samples; yields each as it finishes, with the network calls it took."""


def turn(component: Any, path: Sequence[str], value: Any) -> Any:
    """Returns a frozen dataclass with one parameter changed.

    Args:
        component: the dataclass.
        path: the parameter's name, after the names of the components that contain it.
        value: its new value.
    """
    name, *rest = path
    inner = turn(getattr(component, name), rest, value) if rest else value
    return replace(component, **{name: inner})
