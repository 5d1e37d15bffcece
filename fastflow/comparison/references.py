"""What methods are measured against: the full run, itself in another batch, a converged run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from fastflow.sampling.model import FlowModel
from fastflow.sampling.reference import Reference, reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample


@dataclass
class References:
    """The runs that every method is compared with, by the requests' indices.

    Attributes:
        full: every step computed, with the Gram matrices of the velocities.
        again: the same in another batch size; what differs is rounding, the noise floor.
        reference: the outputs of many more steps, close to the exact solution; may be empty.
    """

    full: dict[int, Sample]
    again: dict[int, Sample]
    reference: dict[int, Any]


def full_runs(model: FlowModel, requests: Sequence[Request], max_batch: int) -> Iterator[Sample]:
    """Yields the full runs with their Gram matrices and how their velocities change."""
    gram = max(request.steps for request in requests)
    yield from reference_sampler(model, Reference(changes=True, gram=gram), max_batch).generate(
        requests
    )


def velocity_change(full: Iterable[Sample]) -> list[float]:
    """Returns the relative L1 change of the velocity from each step to the next, their mean."""
    changes = [[seen.error for seen in sample.feedback.observations] for sample in full]
    return np.mean([one for one in changes if one] or [[]], axis=0).tolist()


def other_batch(max_batch: int) -> int:
    """Returns a batch size that rounds differently."""
    return max_batch // 2 if max_batch > 1 else 2


def converged(
    model: FlowModel, requests: Sequence[Request], steps: int, max_batch: int, kept: Path
) -> Iterator[tuple[int, Any]]:
    """Yields the outputs of runs in many steps; latents are kept in a file for the next time.

    Args:
        model: the loaded model.
        requests: what is generated.
        steps: in how many steps.
        max_batch: how many samples are under way at once.
        kept: the safetensors file; read if it is there.
    """
    if kept.is_file():
        latents = load_file(kept)
        for request in requests:
            problem = model.prepare(request)
            x = latents[str(request.index)].to(problem.x.device)
            yield request.index, _decode(model, x, problem)
        return
    latents = {}
    for sample in reference_sampler(model, max_batch=max_batch).generate(
        _in_steps(requests, steps)
    ):
        if sample.x is not None:
            latents[str(sample.request.index)] = sample.x.contiguous().cpu()
        yield sample.request.index, sample.output
    save_file(latents, kept)


@torch.no_grad()
def _decode(model: FlowModel, x: torch.Tensor, problem: Any) -> Any:
    return model.decode(x, problem)


def _in_steps(requests: Iterable[Request], steps: int) -> list[Request]:
    return [replace(request, steps=steps) for request in requests]
