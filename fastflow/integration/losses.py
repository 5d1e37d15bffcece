"""Losses: the error of an extrapolated velocity ``v_hat`` against the model's ``v``, per row."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def mse(v_hat: Tensor, v: Tensor) -> Tensor:
    """Returns the mean square of ``v_hat - v``, ``(B,)``, for velocities ``(B, ...)``."""
    return (v_hat.float() - v.float()).flatten(1).square().mean(1)


def relative_l2(v_hat: Tensor, v: Tensor) -> Tensor:
    """Returns ``|v_hat - v|_2 / |v|_2``, ``(B,)``."""
    v = v.float()
    return (v_hat.float() - v).flatten(1).norm(dim=1) / v.flatten(1).norm(dim=1)


def relative_l1(v_hat: Tensor, v: Tensor) -> Tensor:
    """Returns ``|v_hat - v|_1 / |v|_1``, ``(B,)``."""
    v = v.float()
    return (v_hat.float() - v).flatten(1).abs().mean(1) / v.flatten(1).abs().mean(1)


LOSSES = {"mse": mse, "relative_l2": relative_l2, "relative_l1": relative_l1}


def check_loss(name: str) -> None:
    """Raises a ValueError if there is no loss of that name."""
    if name not in LOSSES:
        raise ValueError(f"`loss` must be one of {', '.join(LOSSES)}, got {name!r}.")
