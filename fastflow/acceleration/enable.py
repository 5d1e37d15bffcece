"""`enable(pipe)`: step skipping inside an existing diffusers pipeline."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from fastflow.acceleration.accelerated_pipeline import AcceleratedPipeline
from fastflow.acceleration.accelerator import component
from fastflow.acceleration.interception import interceptors_of
from fastflow.acceleration.memory_store import MemoryStore
from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.policies.policy import Policy
from fastflow.policies.targets import Target, aimed

USUAL_QUALITY = "high"  # what is wanted if nothing is said
_ENABLING = threading.RLock()  # so that of two threads one finds the other's


def enable(
    pipe: Any,
    policy: Policy | str | None = None,
    *,
    speedup: float | None = None,
    computed_steps: int | None = None,
    max_error: float | None = None,
    quality: str | None = None,
    extrapolator: Extrapolator | str = "linear",
    corrector: Corrector | str = "interpolate",
    memory: MemoryStore | str | Path | None = None,
    frozen: bool = False,
    batch_error: str = "mean",
    seed: int = 0,
) -> AcceleratedPipeline:
    """Lets a diffusers pipeline skip steps, until it is disabled again.

    Every ordinary ``pipe(...)`` call then skips the steps that the policy chooses, with one
    decision for the whole batch, and the policy learns from the call. With ``policy="never"``
    every output is bit for bit that of the untouched pipeline.

    At most one target says how much to compute, on a time grid of any number of steps. Without a
    policy it is met by a plan, which is learned from one full call; ``max_error`` also takes
    audits: calls 1, 3, 8, 15, 23 ... run in full, and then by the plan from the same noise. An
    audited call returns the full result, and takes the time of both. Calls with a callback are
    not audited, because they would call it twice.

    Args:
        pipe: a loaded pipeline of a flow-matching model whose scheduler needs one evaluation per
            step. Only this object is changed, and only until `Accelerator.disable`.
        policy: decides which steps are computed; a name of the catalog, a preset or a component.
            A target sets its number of computed steps. None: what fits the target.
        speedup: the number of steps over the number of computed steps, 1 or more.
        computed_steps: the number of computed steps, 3 or more; guidance branches are not counted.
        max_error: the largest acceptable error of the final latents, as a share: the root mean
            square difference from those of the full run over their own root mean square. It is
            kept in audits, and so in most other calls, but not guaranteed for each.
        quality: ``near_lossless``, ``high`` or ``fast``: a speed-up of 2, 2.6 or 5
            (`fastflow.policies.QUALITIES`). Without a policy or a target it is ``high``.
        extrapolator: predicts the velocities of skipped steps.
        corrector: corrects the latents at landings; not used with schedulers that do not take
            Euler steps.
        memory: what was learned earlier on a pipeline of this kind, or the file it was saved to.
        frozen: whether memory is only read: nothing is learned and nothing explored.
        batch_error: how the errors of the batch's samples are combined into one: mean or worst.
        seed: seeds the policy's random draws, together with the number of the run.

    Raises:
        ValueError: if the pipeline cannot be accelerated, is accelerated already, or an argument
            is wrong.
    """
    given = {
        "speedup": speedup,
        "computed_steps": computed_steps,
        "max_error": max_error,
        "quality": quality,
    }
    chosen = _policy(policy, {name: v for name, v in given.items() if v is not None})
    with _ENABLING:
        attached = interceptors_of(pipe)
        if any(isinstance(i, AcceleratedPipeline) and i.pipe is pipe for i in attached):
            raise ValueError(
                "`pipe` is accelerated already. Call disable() on what enable() returned first."
            )
        return AcceleratedPipeline(
            pipe, name_of(pipe), chosen, extrapolator, corrector, memory, frozen, batch_error, seed
        )


def _policy(policy: Policy | str | None, given: dict[str, Any]) -> Policy | str:
    """Returns the policy for what was asked for."""
    if policy is not None and not given:
        return policy
    target = Target(**(given or {"quality": USUAL_QUALITY}))
    return aimed(component("policy", target.policy if policy is None else policy), target)


def name_of(pipe: Any) -> str:
    """Names a pipeline by its class and its origin; a memory fits only pipelines of its name."""
    origin = Path(str(getattr(pipe, "name_or_path", None) or "")).name
    return f"{type(pipe).__name__}({origin})"
