"""`wrap_bagel(inferencer)`: step skipping inside a user's own checkout of BAGEL's code."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastflow.acceleration.accelerator import Accelerator
from fastflow.acceleration.interception import attach, detach, interceptors_of
from fastflow.acceleration.memory_store import MemoryStore
from fastflow.acceleration.session import Session
from fastflow.acceleration.stats import Stats
from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.grid import Grid
from fastflow.policies.policy import Policy

RUN, STEP = "generate_image", "_forward_flow"  # the model's methods: all steps, and one velocity


def wrap_bagel(
    inferencer: Any,
    policy: Policy | str = "ucb",
    *,
    extrapolator: Extrapolator | str = "linear",
    corrector: Corrector | str = "interpolate",
    memory: MemoryStore | str | Path | None = None,
    frozen: bool = False,
    seed: int = 0,
) -> WrappedBagel:
    """Lets the `InterleaveInferencer` of BAGEL's own code skip steps, until it is disabled again.

    Every image that it generates or edits then skips as the policy decides, and the policy learns
    from it. With ``policy="never"`` every image is bit for bit that of the untouched inferencer.

    Args:
        inferencer: BAGEL's `InterleaveInferencer`, or its model. Only the model object is changed,
            and only until `WrappedBagel.disable`.
        policy: decides which steps are computed; a name of the catalog, a preset or a component.
        extrapolator: predicts the velocities of skipped steps.
        corrector: mends the latents at landings.
        memory: what was learned on a BAGEL earlier, or the file it was saved to.
        frozen: whether memory is only read: nothing is learned, nothing explored.
        seed: seeds the policy's random draws, together with the number of the image.

    Raises:
        ValueError: if it is no BAGEL, is wrapped already, or an argument is wrong.
    """
    model = getattr(inferencer, "model", inferencer)
    if not all(callable(getattr(model, name, None)) for name in (RUN, STEP)):
        raise ValueError(
            f"`inferencer` must be the InterleaveInferencer of BAGEL's own code, got a "
            f"{type(inferencer).__name__} without `model.{RUN}` and `model.{STEP}`. A diffusers "
            "pipeline is accelerated by fastflow.enable(pipe)."
        )
    if any(isinstance(gate, WrappedBagel) for gate in interceptors_of(model)):
        raise ValueError(
            "`inferencer` is wrapped already. Call disable() on what wrap_bagel() returned first."
        )
    name = type(model).__name__
    rides = Accelerator(name, policy, extrapolator, corrector, memory, frozen, "mean", seed)
    return WrappedBagel(model, rides)


class WrappedBagel:
    """A BAGEL that skips steps; a context manager that gives the model back as it was.

    Attributes:
        model: the model of BAGEL's own code.
    """

    def __init__(self, model: Any, rides: Accelerator):
        self.model, self.rides = model, rides
        self._lock = threading.RLock()
        self._thread: int | None = None  # the thread whose image is under way
        attach(model, self, RUN, STEP)

    @property
    def policy(self) -> Policy:
        """What decides."""
        return self.rides.policy

    @property
    def memory(self) -> MemoryStore:
        """What the policy has learned; it can be saved."""
        return self.rides.memory

    @property
    def stats(self) -> Stats:
        """What skipping did so far; guidance branches are counted one by one."""
        return self.rides.stats

    def __enter__(self) -> WrappedBagel:
        return self

    def __exit__(self, *exception) -> None:
        self.disable()

    def disable(self) -> None:
        """Gives the model back as it was; once more does nothing."""
        with self._lock:
            if self in interceptors_of(self.model):
                detach(self.model, self)

    def __deepcopy__(self, memo: dict) -> WrappedBagel:
        return self  # a copied model is another one: this gate lets its calls through

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Stands before the model's methods, as a gate."""
        told = _arguments(plain, args, kwargs)
        if name == RUN and thing is self.model:
            return self._run(plain, args, kwargs, told)
        if self.rides.ride is None or self._thread != threading.get_ident():
            return plain(*args, **kwargs)
        return self._step(self.rides.ride, lambda: plain(*args, **kwargs), told)

    def _run(self, plain: Callable, args: tuple, kwargs: dict, told: dict[str, Any]) -> Any:
        """Generates one image; nothing of the run outlives it but memory and statistics."""
        if told.get("enable_taylorseer"):
            raise ValueError(
                "`enable_taylorseer` counts the steps that are computed, so it cannot be used "
                "while fastflow skips some. Turn one of the two off."
            )
        with self._lock:
            self._thread = threading.get_ident()
            self.rides.begin(_grid(told))
            try:
                output = plain(*args, **kwargs)
                self.rides.end()
            finally:
                self._thread = self.rides.ride = None
            return output

    def _step(self, ride: Session, ask: Callable[[], Tensor], told: dict[str, Any]) -> Tensor:
        """Returns the velocity of one step: the model's, guidance included, or a predicted one.

        The model takes the step itself; where a landing mends the latents, it does so from there.
        """
        taken: list[tuple[Tensor, Tensor]] = []

        def take_step(x: Tensor, v: Tensor) -> Tensor:
            taken.append((x, v))
            return x

        x = told["x_t"][None]
        v = ride.call(self.model, _branches(told), ask, probe=lambda: None)
        ride.advance(x, v[None], take_step)
        ((mended, v),) = taken
        if mended is not x:
            x.copy_(mended)
        return v[0]


def _arguments(plain: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Returns what a method is told, its defaults included, by name."""
    bound = inspect.signature(plain).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def _branches(told: dict[str, Any]) -> int:
    """Returns how many passes through the network one velocity takes."""
    return 1 + (told["cfg_text_scale"] > 1) + (told["cfg_img_scale"] > 1)


def _grid(told: dict[str, Any]) -> Grid:
    """Returns the time grid that the model makes itself; guidance begins and ends with a jump."""
    device = told["packed_init_noises"].device
    t, shift = torch.linspace(1, 0, told["num_timesteps"], device=device), told["timestep_shift"]
    t = shift * t / (1 + (shift - 1) * t)
    low, high = told["cfg_interval"]
    inside = ((t[:-1] > low) & (t[:-1] <= high)).tolist()
    edges = {k for k in range(1, len(inside)) if inside[k] != inside[k - 1]}
    return Grid(t, jumps=frozenset(edges if _branches(told) > 1 else ()))
