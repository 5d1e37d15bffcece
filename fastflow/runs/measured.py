"""Samples with their reference runs: generated, measured, shown to the observers."""

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

PROFILED = 8  # how many reference runs measure their velocities' changes


@dataclass(frozen=True)
class MeasuredSample:
    """A finished sample, its reference run, and what was measured."""

    sample: Sample
    reference: Sample | None
    row: SampleRow
    rewards: Sequence[float | None]

    def show(self, sessions: Sequence[ObserverSession]) -> None:
        """Shows it to the observers."""
        for session in sessions:
            session.sample(self.sample, self.reference, self.row, self.rewards)


def measured_samples(
    sampler: Sampler, requests: Sequence[Request], measurement: Measurement, reference: bool
) -> Iterator[MeasuredSample]:
    """Generates requests and, if asked to, their reference runs; yields samples as they finish."""
    references = _references(sampler, requests) if reference else {}
    for sample in sampler.generate(requests):
        full = references.get(sample.request.index)
        row = with_files(measurement.row(sample, full), sample, full)
        observations, memory = sample.feedback.observations, sampler.memory or Memory()
        yield MeasuredSample(sample, full, row, sampler.policy.rewards(memory, observations))


def _references(sampler: Sampler, requests: Sequence[Request]) -> dict[int, Sample]:
    found = {}
    for profiled in (True, False):
        part = [r for r in requests if (r.index < PROFILED) == profiled]
        plain = reference_sampler(sampler.model, Reference(changes=profiled), sampler.max_batch)
        found |= {sample.request.index: sample for sample in plain.generate(part)}
    return found
