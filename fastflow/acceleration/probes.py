"""Finds the probe of a network and lets it look."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from fastflow.registry.catalog import installed


@torch.no_grad()
def probe(network: Any, args: tuple, kwargs: dict) -> Tensor | None:
    """Returns the cheap look of a network at its input; None if no probe is known for it.

    Args:
        network: a transformer, compiled or not.
        args: what it is called with.
        kwargs: what it is called with, by name.
    """
    inner = getattr(network, "_orig_mod", network)  # of a compiled module
    kind = type(inner).__name__
    if kind not in installed().names("probe"):
        return None
    inputs = inspect.signature(inner.forward).bind(*args, **kwargs).arguments
    return installed().get("probe", kind)().signal(inner, inputs)
