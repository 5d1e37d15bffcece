"""Samples beside their full runs: generated, measured, shown to the observers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastflow.evaluation.metric import Metric
from fastflow.evaluation.observer import ObserverSession
from fastflow.integration.gram import to_lists
from fastflow.policies.memory import Memory
from fastflow.sampling.media import suffix
from fastflow.sampling.reference import Reference, reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample
from fastflow.sampling.sampler import Sampler

WATCHED = 8  # how many full runs measure their velocities' changes


@dataclass
class Result:
    """One finished sample beside its full run."""

    sample: Sample
    full: Sample | None
    row: dict[str, Any]
    rewards: list[float | None]

    def show(self, watches: Sequence[ObserverSession]) -> None:
        """Tells the observers."""
        for watch in watches:
            watch.sample(self.sample, self.full, self.row, self.rewards)


@dataclass
class Results:
    """Generates a process's share of a round, each sample also in full."""

    sampler: Sampler
    metrics: list[Metric]
    watches: list[ObserverSession]

    def take(self, requests: list[Request], reference: bool) -> list[Result]:
        """Generates and measures; observers of a single process see each sample at once."""
        full = self._full(requests) if reference else {}
        results = []
        for sample in self.sampler.generate(requests):
            result = self._result(sample, full.get(sample.request.index))
            result.show(self.watches)
            results.append(result)
        return results

    def _full(self, requests: list[Request]) -> dict[int, Sample]:
        found = {}
        for watch in (True, False):
            part = [r for r in requests if (r.index < WATCHED) == watch]
            plain = reference_sampler(
                self.sampler.model, Reference(changes=watch), self.sampler.max_batch
            )
            found |= {sample.request.index: sample for sample in plain.generate(part)}
        return found

    def _result(self, sample: Sample, full: Sample | None) -> Result:
        request, memory = sample.request, self.sampler.memory or Memory()
        measured: dict[str, float] = {}
        measured_full: dict[str, float] = {}
        for metric in self.metrics:
            if sample.output is not None:
                measured |= metric.score(sample.output, request)
            if full is not None and full.output is not None:
                measured_full |= metric.score(full.output, request)
                if sample.output is not None:
                    measured |= metric.compare(sample.output, full.output)
        name = f"images/{request.index:04d}"
        row = {
            "index": request.index,
            "prompt": request.prompt,
            "task": request.task,
            "seed": request.seed,
            "calls": sample.calls,
            "calls_full": sample.calls_full if full is None else full.calls,
            "computed": list(sample.computed),
            "seconds": asdict(sample.seconds),
            "seconds_full": asdict(full.seconds) if full else None,
            "metrics": _finite(measured),
            "metrics_full": _finite(measured_full) if full else None,
            "image_source": f"{name}_source.png" if request.image is not None else None,
            "image": _file(name, sample.output),
            "image_full": full and _file(f"{name}_full", full.output),
            "failure": sample.failure,
            "velocity_change": _changes(full),
        }
        if request.item:
            row |= {"item": dict(request.item), "repeat": request.repeat}
        if sample.feedback.gram is not None:
            row["gram"] = to_lists(sample.feedback.gram)
        rewards = self.sampler.policy.rewards(memory, sample.feedback.observations)
        return Result(sample, full, row, rewards)


def _file(name: str, output: Any) -> str | None:
    """Returns the file that an output is kept in, from the run directory."""
    return None if output is None else name + suffix(output)


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: an infinite PSNR (identical images) becomes null."""
    return {name: v if math.isfinite(v) else None for name, v in values.items()}


def _changes(full: Sample | None) -> list[float] | None:
    """Returns the relative L1 change of consecutive velocities, where they were watched."""
    changes = [o.error for o in full.feedback.observations] if full else []
    return changes or None


def warm_up(sampler: Sampler, request: Request) -> None:
    """Runs two steps of a batch unmeasured, so that first-call costs fall on nobody's time."""
    plain = reference_sampler(sampler.model, max_batch=sampler.max_batch)
    batch = [replace(request, steps=2) for _ in range(sampler.max_batch)]
    for _ in plain.generate(batch):
        pass
