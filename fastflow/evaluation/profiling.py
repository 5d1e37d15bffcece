"""The peak memory of a computation, in excess of what was allocated before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(run: Callable[[], object], device: str) -> int:
    """Returns the peak bytes of tensors during a computation, in excess of those before it.

    Args:
        run: the computation, which is run once.
        device: the torch device of its tensors.
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
    """Returns the peak of the allocations that torch's profiler records, of all threads."""
    cpu = [ProfilerActivity.CPU]
    with _silent_profiler(), profile(activities=cpu, profile_memory=True) as profiled:
        run()
    recorded: Any = profiled.profiler
    events = [e for e in recorded.kineto_results.events() if e.name() == "[memory]"]
    allocated = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        allocated += event.nbytes()
        peak = max(peak, allocated)
    return peak


@contextmanager
def _silent_profiler() -> Iterator[None]:
    """Keeps the profiler from writing into a progress bar, and leaves no trace.

    It takes its level from the environment when it is first used, and from nowhere else.
    """
    name = "KINETO_LOG_LEVEL"
    before = os.environ.get(name)
    os.environ.setdefault(name, "99")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
