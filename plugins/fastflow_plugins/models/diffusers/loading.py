"""Loads a diffusers pipeline on a device in a precision, and explains any failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from fastflow_plugins.models.diffusers.origin import AGAIN, Origin
from fastflow_plugins.models.diffusers.weights import check_weights

LONGEST_PROMPT = 100_000  # tokens; those of CLIP are 77
DTYPES = ("float32", "bfloat16", "float16", "float64")


def load_pipeline(
    path: str,
    kind: str,
    device: str,
    dtype: str,
    revision: str | None = None,
    variant: str | None = None,
) -> Any:
    """Loads a pipeline from a local folder or from the hub.

    Args:
        path: a folder that ``save_pretrained`` wrote, or a hub id such as ``owner/name``.
        kind: the name of the diffusers pipeline class that is required.
        device: a torch device.
        dtype: one of `DTYPES`.
        revision: a branch, tag or commit of a hub repository.
        variant: picks weight files such as ``fp16``.

    Raises:
        ValueError: if the device, the dtype or the path cannot be used, or if the weights are
            another model's.
    """
    target, precision = check_device(device), check_dtype(dtype)
    origin = Origin.find(path, revision)
    origin.check_kind(kind)
    origin.check_parts()
    import diffusers

    # diffusers renamed the argument; the old name warns, and works in all older releases
    recent = tuple(int(n) for n in diffusers.__version__.split(".")[:2]) >= (0, 42)
    options = {"dtype" if recent else "torch_dtype": precision}
    try:
        with _quiet():
            pipe = getattr(diffusers, kind).from_pretrained(
                origin.source, revision=revision, variant=variant, **options
            )
    except Exception as error:
        with _quiet():
            reason = origin.reason(error)
        raise ValueError(reason) from error
    check_weights(pipe, origin)
    _check_longest(pipe, origin)
    return pipe.to(target)


def _check_longest(pipe: Any, origin: Origin) -> None:
    """Raises a ValueError if every prompt would be filled up to a length that fits no memory."""
    longest = getattr(pipe, "tokenizer_max_length", 0)
    if not isinstance(longest, (int, float)) or not longest <= LONGEST_PROMPT:
        raise ValueError(
            f"{origin.where}: tokenizer/tokenizer_config.json must state a `model_max_length` of "
            f"{LONGEST_PROMPT:,} or less, to which prompts are filled up, got {longest!r}. "
            f"{AGAIN}"
        )


def check_dtype(dtype: str) -> torch.dtype:
    """Returns the torch dtype of that name.

    Raises:
        ValueError: if it is not one of `DTYPES`.
    """
    if dtype not in DTYPES:
        raise ValueError(f"`dtype` must be one of {', '.join(DTYPES)}, got {dtype!r}.")
    return getattr(torch, dtype)


def check_device(device: str) -> torch.device:
    """Returns the torch device.

    Raises:
        ValueError: if there is no such device on this machine.
    """
    try:
        found = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"`device` must be cpu, cuda, cuda:1, mps or another torch device, got {device!r}."
        ) from None
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError("`device` is 'mps', but torch finds no Apple GPU here. Use cpu.")
    count = torch.cuda.device_count()
    if found.type == "cuda" and (found.index or 0) >= count:
        raise ValueError(
            f"`device` is {device!r}, but torch {torch.__version__} finds {count} CUDA GPUs here. "
            "Use cpu, or a torch with CUDA on a machine that has that GPU."
        )
    return found


@contextmanager
def without_warnings() -> Iterator[None]:
    """Hides what transformers warns of, for a while.

    It warns of a missing torchvision, which no part of these pipelines uses, and of texts that are
    too long, which the pipelines cut off.
    """
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides warnings and bars of loading, but not the bars of downloads."""
    from diffusers.utils import logging as of_diffusers
    from huggingface_hub import utils as hub
    from transformers.utils import logging as of_transformers

    loud = [m for m in (of_diffusers, of_transformers) if m.is_progress_bar_enabled()]
    silent = hub.are_progress_bars_disabled()
    for module in loud:
        module.disable_progress_bar()
    if not silent:  # transformers' switch also turns off the hub's bars
        hub.enable_progress_bars()
    try:
        with without_warnings():
            yield
    finally:
        for module in loud:
            module.enable_progress_bar()
        if silent:
            hub.disable_progress_bars()
