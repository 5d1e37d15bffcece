"""Samples and their reference runs: generated, measured and passed to the observers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastflow.evaluation.measurement import Measurement, SampleRow
from fastflow.evaluation.observer import ObserverSession
from fastflow.policies.memory import Memory
from fastflow.runs.directory import with_files
from fastflow.sampling.reference import Reference, reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample
from fastflow.sampling.sampler import Sampler

PROFILED = 8  # the number of reference runs that measure the change of consecutive velocities


@dataclass(frozen=True)
class MeasuredSample:
    """A finished sample with its reference run and its measurements.

    Attributes:
        sample: the sample.
        reference: its reference run; None if the run has none.
        row: the measurements, as in samples.jsonl.
        rewards: the reward of each observation; None where the policy gives none.
    """

    sample: Sample
    reference: Sample | None
    row: SampleRow
    rewards: Sequence[float | None]

    def show(self, sessions: Sequence[ObserverSession]) -> None:
        """Passes it to the observers."""
        for session in sessions:
            session.sample(self.sample, self.reference, self.row, self.rewards)


def measured_samples(
    sampler: Sampler, requests: Sequence[Request], measurement: Measurement, reference: bool
) -> Iterator[MeasuredSample]:
    """Yields samples as they finish, with reference runs if ``reference`` is true."""
    references = _references(sampler, requests) if reference else {}
    for sample in sampler.generate(requests):
        own = references.get(sample.request.index)
        row = with_files(measurement.row(sample, own), sample, own)
        observations, memory = sample.feedback.observations, sampler.memory or Memory()
        yield MeasuredSample(sample, own, row, sampler.policy.rewards(memory, observations))


def _references(sampler: Sampler, requests: Sequence[Request]) -> dict[int, Sample]:
    references = {}
    for profiled in (True, False):
        part = [r for r in requests if (r.index < PROFILED) == profiled]
        unskipped = reference_sampler(
            sampler.model, Reference(changes=profiled), sampler.max_batch
        )
        references |= {sample.request.index: sample for sample in unskipped.generate(part)}
    return references
