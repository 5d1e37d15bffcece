"""The converged runs: after many more steps, close to the exact solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from tqdm import tqdm

from fastflow.sampling.executor import Worker
from fastflow.sampling.foreign import check_tensors
from fastflow.sampling.model import FlowModel
from fastflow.sampling.reference import reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.storage import whole_file

Latents = Mapping[str, torch.Tensor]  # by the index of the request
Made = list[tuple[int, torch.Tensor | None, Any]]  # index, latents and output


def converged_outputs(
    model: FlowModel,
    blocks: Sequence[Sequence[Request]],
    steps: int,
    kept: Path,
    spread: Callable[..., list[Made]],
    worker: Worker,
) -> dict[int, Any]:
    """Returns the outputs of converged runs by index; their latents are kept in a file.

    Args:
        model: the loaded model.
        blocks: what is generated, in blocks that are computed at once.
        steps: the number of steps.
        kept: the safetensors file of the latents; it is read if it exists, else written.
        spread: does something with each block in one of the processes.
        worker: this process.
    """
    if not blocks:
        return {}
    latents = worker.from_first(lambda: _read_latents(kept))
    before = latents if all(_fits(model, latents, block) for block in blocks) else {}

    def made(block: Sequence[Request]) -> Made:
        return _decoded(model, block, before) if before else _generated(model, block, steps)

    found = [
        one for part in spread(f"converged runs, {steps} steps", blocks, made) for one in part
    ]
    if worker.rank == 0 and not before:
        with whole_file(kept) as part:
            # not `save_file`: it has no OSError for a full disk, but an error of its own
            part.write_bytes(save({str(i): x for i, x, _ in found if x is not None}))
    return {i: output for i, _, output in found}


def _generated(model: FlowModel, block: Sequence[Request], steps: int) -> Made:
    longer = [replace(request, steps=steps) for request in block]
    samples = reference_sampler(model, max_batch=len(block)).generate(longer)
    return [
        (one.request.index, None if one.x is None else one.x.contiguous().cpu(), one.output)
        for one in samples
    ]


@torch.no_grad()
def _decoded(model: FlowModel, block: Sequence[Request], latents: Latents) -> Made:
    found: Made = []
    for request in block:
        problem = model.prepare(request)
        x = latents[str(request.index)]
        found.append((request.index, x, model.decode(x.to(problem.x.device), problem)))
    return found


def _read_latents(kept: Path) -> Latents:
    """Returns the latents in a file; none if it is missing or damaged: it is made again."""
    if not kept.is_file():
        return {}
    try:
        check_tensors(kept)
        return load_file(kept)
    except (SafetensorError, OSError, ValueError) as error:
        tqdm.write(f"{error} It is made again.")
        return {}


def _fits(model: FlowModel, latents: Latents, block: Sequence[Request]) -> bool:
    """Returns whether kept latents are those of a block of requests."""
    if not latents:
        return False
    for request in block:
        x = latents.get(str(request.index))
        if x is None or x.shape != model.prepare(request).x.shape or not x.isfinite().all():
            return False
    return True
