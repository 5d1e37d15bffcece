"""Observers: follow a run without changing it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fastflow.evaluation.measurement import SampleRow
from fastflow.sampling.sample import Sample


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run that is over, as one row of a study.

    Args:
        name: the name to show it by.
        config: its settings, nested as in config.yaml.
        measures: its measures, by name, as in summary.json.
    """

    name: str
    config: Mapping[str, Any]
    measures: Mapping[str, Any]


class ObserverSession(Protocol):
    """Receives the samples and the summary of a run, in its main process only."""

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
            reference: the reference run of the same request, if there is one.
            row: the measurements, as written to samples.jsonl.
            rewards: one per observation of the sample; None where the policy has no reward.
        """

    def summary(self, summary: Mapping[str, Any], run_dir: Path) -> None:
        """Takes the run's summary, after everything is written."""


@dataclass(frozen=True, kw_only=True)
class Observer(ABC):
    """Follows a run without changing it."""

    @abstractmethod
    def open(
        self, run_dir: Path, config: Mapping[str, Any]
    ) -> AbstractContextManager[ObserverSession]:
        """Returns a context in which a run is followed; it ends with the run, even on an error."""

    def mirror(self, runs: Sequence[FinishedRun], folder: Path) -> None:
        """Mirrors runs that are over, those of a study, as one group.

        Args:
            runs: the runs.
            folder: a folder that the observer may write into.

        Raises:
            ValueError: if the observer follows runs only while they are in progress.
        """
        raise ValueError(
            f"the observer {type(self).__name__} follows runs while they are in progress, and "
            "cannot mirror a study."
        )
