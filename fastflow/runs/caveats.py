"""What a reader of a run's numbers should know about its settings."""

from __future__ import annotations

from typing import Any

from fastflow.integration.grid import few_steps
from fastflow.policies.memory import Memory
from fastflow.policies.targets import resolved
from fastflow.sampling.sampler import Sampler


def warnings(sampler: Sampler, steps: int, summary: dict[str, Any]) -> list[str]:
    """Returns warnings about the run's settings and results."""
    texts = []
    if text := few_steps(steps):
        texts.append(text)
    corrector, extrapolator = sampler.corrector, sampler.extrapolator
    if corrector.depth and corrector.degree < extrapolator.degree:
        texts.append(
            f"{corrector} is exact to degree {corrector.degree}, {extrapolator} to degree "
            f"{extrapolator.degree}: such a correction can make the result worse. "
            f"Use corrector.order={extrapolator.degree} or more."
        )
    if text := _still_learning(sampler, steps):
        texts.append(text)
    if summary["failed"]:
        texts.append(f"{summary['failed']} samples failed (the reasons are in samples.jsonl).")
    return texts


def nothing_to_use(memory: Memory | None) -> str:
    """Returns a warning if the policy uses what it learns, and neither has nor may learn any."""
    if memory is None or memory.key is None or memory.samples or not memory.frozen:
        return ""
    return "`frozen` is true and `memory` holds nothing: nothing that was learned can be used."


def _still_learning(sampler: Sampler, steps: int) -> str:
    """Returns a warning if the policy has seen too few samples to skip any step of them."""
    policy, memory = resolved(sampler.policy, sampler.model.grid(steps)), sampler.memory
    first = getattr(policy, "warmup_samples", 0)
    if memory is None or not first or memory.samples > first:
        return ""
    if memory.frozen and memory.samples:
        return ""
    seen = "holds nothing and is frozen" if memory.frozen else f"has seen {memory.samples}"
    return (
        f"nothing was skipped: the policy learns from the first {first} samples, computed in "
        f"full, and its memory {seen}. Ask for more than {first} samples, or start from the "
        "memory of an earlier run."
    )
