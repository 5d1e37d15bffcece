"""Checks that the steps of a loaded pipeline can be taken, and skipped, from outside."""

from __future__ import annotations

from typing import Any

EULER_SCHEDULER = "FlowMatchEulerDiscreteScheduler"


def check_class(pipe: Any, kind: str) -> None:
    """Raises a ValueError if a pipeline is not of a diffusers class."""
    import diffusers

    if not isinstance(pipe, getattr(diffusers, kind)):
        raise ValueError(f"`pipe` must be a {kind}, got a {type(pipe).__name__}.")


def check_scheduler(scheduler: Any) -> None:
    """Raises a ValueError unless steps are deterministic first-order Euler on falling sigmas."""
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
        FlowMatchEulerDiscreteScheduler,
    )

    name = type(scheduler).__name__
    step = getattr(type(scheduler), "step", None)
    reason = ""
    if getattr(scheduler, "order", 1) != 1:
        reason = f"{name} is of order {scheduler.order}: its step needs more than one velocity"
    elif step is not FlowMatchEulerDiscreteScheduler.step:
        reason = f"{name} takes other steps than {EULER_SCHEDULER}"
    elif scheduler.config.get("stochastic_sampling"):
        reason = "its `stochastic_sampling` adds noise in every step"
    elif scheduler.config.get("invert_sigmas"):
        reason = "its `invert_sigmas` makes the sigmas rise"
    if reason:
        raise ValueError(
            f"the pipeline's scheduler cannot be used: {reason}, and fastflow takes plain Euler "
            f"steps itself. Use a {EULER_SCHEDULER} (in a folder: "
            "scheduler/scheduler_config.json) without `stochastic_sampling` and `invert_sigmas`."
        )


def check_size(height: int, width: int, patch: int) -> None:
    """Raises a ValueError unless whole patches of ``patch`` pixels tile the image."""
    if height % patch or width % patch:
        raise ValueError(
            f"`height` and `width` must be multiples of {patch}, got {height} x {width}. "
            f"Try {_near(height, patch)} x {_near(width, patch)}."
        )


def _near(size: int, patch: int) -> int:
    return max(patch, round(size / patch) * patch)


def check_frames(frames: int, factor: int) -> None:
    """Raises a ValueError unless the autoencoder can decode that many frames of a video."""
    if (frames - 1) % factor:
        near = max(0, round((frames - 1) / factor)) * factor + 1
        raise ValueError(
            f"`frames` must be one more than a multiple of {factor}, got {frames}. Try {near}."
        )
