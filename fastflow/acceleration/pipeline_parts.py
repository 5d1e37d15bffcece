"""The parts of a diffusers pipeline that are intercepted: scheduler and networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from fastflow.acceleration.seen import SigmaPlace, draws_noise, option

COUNTED = "transformer"  # the networks whose calls count
SKIPPABLE = (COUNTED, "controlnet")  # the networks that are not called at skipped steps
EULER = "FlowMatchEulerDiscreteScheduler"


@dataclass(frozen=True)
class PipelineParts:
    """The parts of a pipeline through which its steps can be skipped.

    Attributes:
        scheduler: its ``step`` receives the latents x and the guided velocity v.
        networks: the modules whose calls can be skipped, by name.
    """

    scheduler: Any
    networks: Mapping[str, nn.Module]

    @classmethod
    def of(cls, pipe: Any, tried: Any = None) -> PipelineParts:
        """Finds the scheduler and the denoising networks of a pipeline.

        Args:
            pipe: the pipeline.
            tried: a scheduler whose steps were tried before.

        Raises:
            ValueError: if one of them is missing, or the scheduler does not integrate a velocity
                with one evaluation per step.
        """
        kind = type(pipe).__name__
        if isinstance(pipe, type):
            raise ValueError(
                f"`pipe` must be a loaded pipeline, got the class {pipe.__name__}. Load one with "
                f"{pipe.__name__}.from_pretrained(...)."
            )
        scheduler = getattr(pipe, "scheduler", None)
        parts = getattr(pipe, "components", {})
        networks = {
            name: part
            for name, part in parts.items()
            if name.startswith(SKIPPABLE) and isinstance(part, nn.Module)
        }
        if not any(name.startswith(COUNTED) for name in networks):
            why = (
                "it has a U-Net, which predicts noise and not a velocity"
                if isinstance(parts.get("unet"), nn.Module)
                else "it has no transformer"
            )
            raise ValueError(
                f"`pipe` ({kind}) cannot be accelerated: {why}. Give a diffusers pipeline of a "
                "flow-matching model, such as FluxPipeline, WanPipeline or HunyuanVideoPipeline."
            )
        if not all(hasattr(scheduler, name) for name in ("step", "set_timesteps", "config")):
            raise ValueError(
                f"`pipe` ({kind}) cannot be accelerated: it has no scheduler with steps that "
                f"can be skipped. Give a diffusers pipeline with a {EULER}."
            )
        if not callable(pipe):
            raise ValueError(
                f"`pipe` ({kind}) cannot be accelerated: it cannot be called. Calls of the "
                "pipeline itself, pipe(...), are followed, and not those of its methods."
            )
        _check_flow(scheduler, kind, scheduler is tried)
        return cls(scheduler, networks)

    @property
    def takes_euler_steps(self) -> bool:
        """Whether x may be corrected between steps; a multistep scheduler would undo that."""
        return any(cls.__name__ == EULER for cls in type(self.scheduler).__mro__)

    def are_those_of(self, other: PipelineParts) -> bool:
        """Returns whether these are the same objects under the same names."""
        mine, theirs = self.networks, other.networks
        return (
            self.scheduler is other.scheduler
            and mine.keys() == theirs.keys()
            and all(mine[name] is theirs[name] for name in mine)
        )

    def were_replaced(self, pipe: Any) -> bool:
        """Returns whether a pipeline has another scheduler or another network by now."""
        if getattr(pipe, "scheduler", None) is not self.scheduler:
            return True
        return any(getattr(pipe, name, None) is not part for name, part in self.networks.items())

    def counts(self, network: Any) -> bool:
        """Returns whether the calls of one of the networks count."""
        return any(n.startswith(COUNTED) and m is network for n, m in self.networks.items())

    def are_missing(self, pipe: Any) -> bool:
        """Returns whether a pipeline has no network now; some load theirs within a call."""
        return all(getattr(pipe, name, None) is None for name in self.networks)

    def place(self, time: Any) -> SigmaPlace | None:
        """Returns where in the scheduler's sigmas a step was just taken; None if it shows none.

        Args:
            time: the timestep of that step.
        """
        sigmas = getattr(self.scheduler, "sigmas", None)
        if not isinstance(sigmas, Tensor) or sigmas.ndim != 1:
            return None
        after = getattr(self.scheduler, "step_index", None)
        if after is not None:
            return SigmaPlace(self.scheduler, sigmas, after - 1)
        times = [float(one) for one in self.scheduler.timesteps]
        found = [k for k, one in enumerate(times) if one == time]
        return SigmaPlace(self.scheduler, sigmas, found[0]) if found else None

    def jumps(self, pipe: Any, steps: int) -> frozenset[int]:
        """Returns the index of the step at which a second expert takes over (as in Wan 2.2).

        Args:
            pipe: the pipeline; its config may have a ``boundary_ratio``.
            steps: the number of steps of the run, the last ones of the scheduler's.
        """
        ratio = option(getattr(pipe, "config", None), "boundary_ratio")
        if ratio is None or len(self.networks) < 2:
            return frozenset()
        boundary = ratio * (option(self.scheduler.config, "num_train_timesteps") or 1000)
        early = sum(float(t) >= boundary for t in self.scheduler.timesteps[-steps:])
        return frozenset({early} if 0 < early < steps else ())

    def caches(self) -> list[str]:
        """Returns a note for each network that has a cache of its own."""
        return [
            f"{name} has its own {type(network._cache_config).__name__}, which stays active in "
            "the computed steps"
            for name, network in self.networks.items()
            if getattr(network, "is_cache_enabled", False)
        ]


def _check_flow(scheduler: Any, kind: str, was_tried: bool) -> None:
    """Raises a ValueError unless a scheduler integrates a velocity, one evaluation per step."""
    name, config = type(scheduler).__name__, scheduler.config
    kinds = [cls.__name__ for cls in type(scheduler).__mro__]
    is_flow = (
        any(kind.startswith("FlowMatch") for kind in kinds)
        or option(config, "prediction_type") == "flow_prediction"
    )
    order = getattr(scheduler, "order", 1)
    why, use, change = "", "Use", ""
    if not is_flow:
        why = f"its {name} does not integrate the velocity of a flow-matching model"
        use = "If its network does predict a velocity, use"
    elif order != 1:
        why = f"its {name} is of order {order}: each of its steps takes more than one evaluation"
    elif option(config, "stochastic_sampling"):
        why = f"its {name} adds noise in every step (`stochastic_sampling`)"
        change = ", stochastic_sampling=False"
    elif not was_tried and draws_noise(scheduler):
        why = f"its {name} adds noise in every step"
    elif option(config, "invert_sigmas"):
        why = f"its {name} integrates with rising sigmas (`invert_sigmas`)"
        change = ", invert_sigmas=False"
    if why:
        raise ValueError(
            f"`pipe` ({kind}) cannot be accelerated: {why}. {use} a {EULER}: "
            f"pipe.scheduler = {EULER}.from_config(pipe.scheduler.config{change})."
        )
