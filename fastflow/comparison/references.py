"""The runs that methods are compared with: reference, another batch size, converged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from fastflow.comparison.stored.stored_row import StoredMeasurements, rows_from
from fastflow.evaluation.measurement import SampleRow
from fastflow.sampling.foreign import check_schema, check_tensors
from fastflow.sampling.model import FlowModel
from fastflow.sampling.reference import Reference, reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample
from fastflow.sampling.storage import whole_file


@dataclass
class References:
    """The runs that every method is compared with, by the requests' indices.

    Attributes:
        reference: the reference runs, with the Gram matrices of their velocities.
        again: the same in another batch size; they differ by rounding alone, the noise floor.
        converged: outputs after many more steps, close to the exact solution; may be empty.
    """

    reference: dict[int, Sample]
    again: dict[int, Sample]
    converged: dict[int, Any]


@dataclass(frozen=True)
class StoredReferences:
    """The measurements of the references, as kept in references.json.

    Attributes:
        reference: the rows of the reference runs, in the order of their indices.
        noise_floor: the rows of the same runs in another batch size.
        prompts: the prompts, in the same order.
        tasks: the kinds of prompts, in the same order.
        branches: the number of network calls of one computed step.
        velocity_change: the mean relative L1 change of the velocity from each step to the next.
        tuning_calls: the number of network calls of the tuning runs.
        identical_at_zero: for each method that should be exact at a knob of 0, whether it is.
    """

    reference: list[SampleRow]
    noise_floor: list[SampleRow]
    prompts: list[str]
    tasks: list[str]
    branches: float
    velocity_change: list[float]
    tuning_calls: int
    identical_at_zero: dict[str, bool]

    def to_json(self) -> dict[str, Any]:
        """Returns the measurements in JSON types."""
        own = asdict(replace(self, reference=[], noise_floor=[]))
        return own | {
            "reference": [row.to_json() for row in self.reference],
            "noise_floor": [row.to_json() for row in self.noise_floor],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], where: str) -> StoredReferences:
        """Reads what `to_json` returned.

        Raises:
            ValueError: beginning with ``where``, if a field is missing or of another type.
        """
        check_schema(StoredMeasurements, content, where)
        rows: dict[str, Any] = {
            name: rows_from(content[name], f"{where}, `{name}`")
            for name in ("reference", "noise_floor")
        }
        if not rows["reference"]:
            raise ValueError(f"{where} `reference` is empty.")
        return cls(**{f.name: rows.get(f.name, content[f.name]) for f in fields(cls)})


def reference_runs(
    model: FlowModel, requests: Sequence[Request], max_batch: int
) -> Iterator[Sample]:
    """Yields the reference runs, with Gram matrices and changes of their velocities."""
    policy = Reference(changes=True, gram=True)
    yield from reference_sampler(model, policy, max_batch).generate(requests)


def mean_velocity_change(rows: Iterable[SampleRow]) -> list[float]:
    """Returns the mean relative L1 change of the velocity from each step to the next."""
    changes = [row.velocity_change for row in rows if row.velocity_change]
    return np.mean(changes or [[]], axis=0).tolist()


def other_batch(max_batch: int) -> int:
    """Returns another batch size, in which rounding differs."""
    return max_batch // 2 if max_batch > 1 else 2


def converged(
    model: FlowModel, requests: Sequence[Request], steps: int, max_batch: int, kept: Path
) -> Iterator[tuple[int, Any]]:
    """Yields the index and the output of converged runs, whose latents are kept in a file.

    Args:
        model: the loaded model.
        requests: what is generated.
        steps: the number of steps.
        max_batch: the largest number of samples computed at once.
        kept: the safetensors file of the latents; it is read if it exists, else written.
    """
    latents = _read_latents(kept)
    problems = ((request, model.prepare(request)) for request in requests if latents)
    if latents and all(_fits(latents.get(str(r.index)), problem) for r, problem in problems):
        for request in requests:
            problem = model.prepare(request)
            x = latents[str(request.index)].to(problem.x.device)
            yield request.index, _decode(model, x, problem)
        return
    latents = {}
    longer = [replace(request, steps=steps) for request in requests]
    for sample in reference_sampler(model, max_batch=max_batch).generate(longer):
        if sample.x is not None:
            latents[str(sample.request.index)] = sample.x.contiguous().cpu()
        yield sample.request.index, sample.output
    with whole_file(kept) as part:
        save_file(latents, part)


def _read_latents(kept: Path) -> dict[str, torch.Tensor]:
    """Returns the latents in a file; none if it is missing or damaged: it is made again."""
    if not kept.is_file():
        return {}
    try:
        check_tensors(kept)
        return load_file(kept)
    except (SafetensorError, OSError, ValueError) as error:
        tqdm.write(f"{error} It is made again.")
        return {}


def _fits(x: torch.Tensor | None, problem: Any) -> bool:
    """Returns whether kept latents are those of a request."""
    return x is not None and x.shape == problem.x.shape and bool(x.isfinite().all())


@torch.no_grad()
def _decode(model: FlowModel, x: torch.Tensor, problem: Any) -> Any:
    return model.decode(x, problem)
