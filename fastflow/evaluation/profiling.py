"""The peak of the memory that a computation takes over what was there before."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(run: Callable[[], object], device: str) -> int:
    """Returns the most bytes of tensors alive at once while something runs, weights not counted.

    Args:
        run: what is run, once.
        device: where its tensors live.
    """
    return _on_gpu(run, device) if device.startswith("cuda") else _on_cpu(run)


def _on_gpu(run: Callable[[], object], device: str) -> int:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _on_cpu(run: Callable[[], object]) -> int:
    """Adds up the allocations that torch's profiler records; those of every thread."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it would write into the progress bar
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    recorded: Any = seen.profiler
    events = [e for e in recorded.kineto_results.events() if e.name() == "[memory]"]
    alive = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        most = max(most, alive)
    return most
