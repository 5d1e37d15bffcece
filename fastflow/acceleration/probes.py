"""Evaluates the probe that is registered for a network."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from fastflow.registry.catalog import installed


@torch.no_grad()
def probe(network: Any, args: tuple, kwargs: dict) -> Tensor | None:
    """Returns a network's cheap signal at its input; None if its class has no probe.

    Args:
        network: a transformer, compiled or not.
        args: the positional arguments of the call.
        kwargs: the keyword arguments of the call.
    """
    inner = getattr(network, "_orig_mod", network)  # of a compiled module
    kind = type(inner).__name__
    if kind not in installed().names("probe"):
        return None
    inputs = inspect.signature(inner.forward).bind(*args, **kwargs).arguments
    return installed().get("probe", kind)().signal(inner, inputs)
