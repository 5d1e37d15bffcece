"""Observers: see what a run does, and change nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fastflow.evaluation.measurement import SampleRow
from fastflow.sampling.sample import Sample


class ObserverSession(Protocol):
    """What an opened observer offers; called on the main process alone."""

    def sample(
        self,
        sample: Sample,
        reference: Sample | None,
        row: SampleRow,
        rewards: Sequence[float | None],
    ) -> None:
        """Takes one finished sample.

        Args:
            sample: the sample.
            reference: the same request with every step computed, if the run has references.
            row: what was measured, the sample's line in samples.jsonl.
            rewards: one per observation of the sample, where the policy knows one.
        """

    def summary(self, summary: Mapping[str, Any], run_dir: Path) -> None:
        """Takes the run's summary, once everything is written."""


@dataclass(frozen=True, kw_only=True)
class Observer(ABC):
    """A recipe for following a run."""

    @abstractmethod
    def open(
        self, run_dir: Path, config: Mapping[str, Any]
    ) -> AbstractContextManager[ObserverSession]:
        """Begins to follow a run; the context's end is the run's end, also after an error."""
