"""`wrap_bagel(inferencer)`: step skipping inside a user's own copy of BAGEL's code."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastflow.acceleration import (
    Accelerator,
    Call,
    MemoryStore,
    Session,
    attach,
    detach,
    interceptors_of,
)
from fastflow.integration import Corrector, Extrapolator, Grid
from fastflow.policies import Policy

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
) -> AcceleratedBagel:
    """Lets the `InterleaveInferencer` of BAGEL's own code skip steps, until it is disabled again.

    Every image that it generates or edits then skips steps as the policy decides, and the policy
    learns from it. With ``policy="never"``, images equal those of the unwrapped inferencer bit for
    bit.

    Args:
        inferencer: BAGEL's `InterleaveInferencer`, or its model. Only the model object is changed,
            and only until `Accelerator.disable`.
        policy: decides which steps are computed: a component, or the name of one or of a preset.
        extrapolator: predicts the velocities of skipped steps.
        corrector: corrects the latents at landings.
        memory: what was learned on a BAGEL earlier, or the file it was saved to.
        frozen: whether memory is only read: nothing is learned, nothing explored.
        seed: seeds the policy's random draws, together with the number of the image.

    Raises:
        ValueError: if it is not a BAGEL, if it is wrapped already, or if an argument is wrong.
    """
    model = getattr(inferencer, "model", inferencer)
    if not all(callable(getattr(model, name, None)) for name in (RUN, STEP)):
        raise ValueError(
            f"`inferencer` must be the InterleaveInferencer of BAGEL's own code, got a "
            f"{type(inferencer).__name__} without `model.{RUN}` and `model.{STEP}`. A diffusers "
            "pipeline is accelerated by fastflow.enable(pipe)."
        )
    if any(isinstance(i, AcceleratedBagel) for i in interceptors_of(model)):
        raise ValueError(
            "`inferencer` is wrapped already. Call disable() on what wrap_bagel() returned first."
        )
    name = type(model).__name__
    return AcceleratedBagel(
        model, name, policy, extrapolator, corrector, memory, frozen, seed=seed
    )


class AcceleratedBagel(Accelerator):
    """Makes BAGEL's own code skip steps; `wrap_bagel` returns it.

    Attributes:
        model: the model of BAGEL's own code.
    """

    def __init__(self, model: Any, *settings: Any, seed: int):
        super().__init__(model, *settings, seed=seed)
        self.model = model
        attach(model, self, RUN, STEP)

    def _detach(self) -> None:
        detach(self.model, self)

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Handles a call of one of the model's methods."""
        given = _arguments(plain, args, kwargs)
        if name == RUN and thing is self.model:
            return self._run_image(lambda: plain(*args, **kwargs), given)
        session = self._call.run if self._call is not None else None
        if not isinstance(session, Session):
            return plain(*args, **kwargs)
        return self._step(session, lambda: plain(*args, **kwargs), given)

    def _run_image(self, plain: Callable[[], Any], given: dict[str, Any]) -> Any:
        """Generates one image."""
        if given.get("enable_taylorseer"):
            raise ValueError(
                "`enable_taylorseer` counts the computed steps, so it cannot be used while "
                "fastflow skips some. Turn one of the two off."
            )
        with self._lock:
            return self._run(plain, Call(run=self._begin(_grid(given))))

    def _step(self, session: Session, ask: Callable[[], Tensor], given: dict[str, Any]) -> Tensor:
        """Returns the velocity of one step: the model's, guidance included, or a predicted one.

        The model takes the step itself; at a landing, from the corrected latents.
        """
        taken: list[tuple[Tensor, Tensor]] = []

        def take_step(x: Tensor, v: Tensor) -> Tensor:
            taken.append((x, v))
            return x

        x = given["x_t"][None]
        v = session.call(self.model, _branches(given), ask, probe=lambda: None)
        session.advance(x, v[None], take_step)
        ((corrected, v),) = taken
        if corrected is not x:
            x.copy_(corrected)
        return v[0]


def _arguments(plain: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Returns a call's arguments by name, defaults included."""
    bound = inspect.signature(plain).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def _branches(given: dict[str, Any]) -> int:
    """Returns how many network calls one velocity takes."""
    return 1 + (given["cfg_text_scale"] > 1) + (given["cfg_img_scale"] > 1)


def _grid(given: dict[str, Any]) -> Grid:
    """Returns the model's own time grid; the velocity jumps where guidance begins and ends."""
    device = given["packed_init_noises"].device
    t, shift = torch.linspace(1, 0, given["num_timesteps"], device=device), given["timestep_shift"]
    t = shift * t / (1 + (shift - 1) * t)
    low, high = given["cfg_interval"]
    inside = ((t[:-1] > low) & (t[:-1] <= high)).tolist()
    edges = {k for k in range(1, len(inside)) if inside[k] != inside[k - 1]}
    return Grid(t, jumps=frozenset(edges if _branches(given) > 1 else ()))
