"""`enable(pipe)`: step skipping inside somebody else's diffusers pipeline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastflow.acceleration.accelerator import Accelerator
from fastflow.acceleration.interception import attach, detach, interceptors_of
from fastflow.acceleration.memory_store import MemoryStore
from fastflow.acceleration.pipeline_parts import COUNTED, PipelineParts
from fastflow.acceleration.probes import probe
from fastflow.acceleration.session import Session
from fastflow.acceleration.stats import Stats
from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.grid import Grid
from fastflow.policies.policy import Policy


def enable(
    pipe: Any,
    policy: Policy | str = "ucb",
    *,
    extrapolator: Extrapolator | str = "linear",
    corrector: Corrector | str = "interpolate",
    memory: MemoryStore | str | Path | None = None,
    frozen: bool = False,
    batch_error: str = "mean",
    seed: int = 0,
) -> Accelerated:
    """Lets a diffusers pipeline skip steps, until it is disabled again.

    Every ordinary ``pipe(...)`` call then skips as the policy decides, with one decision for the
    whole batch, and the policy learns from it. With ``policy="never"`` every output is bit for bit
    that of the untouched pipeline.

    Args:
        pipe: a loaded pipeline of a flow-matching model whose scheduler takes one evaluation a
            step. Only this object is changed, and only until `Accelerated.disable`.
        policy: decides which steps are computed; a name of the catalog, a preset or a component.
        extrapolator: predicts the velocities of skipped steps.
        corrector: mends the latents at landings; not used where the scheduler's own steps need
            more than one velocity.
        memory: what an earlier pipeline of this kind has learned, or the file it was saved to.
        frozen: whether memory is only read: nothing is learned, nothing explored.
        batch_error: how the errors of a batch's rows make one: mean or worst.
        seed: seeds the policy's random draws, together with the number of the call.

    Raises:
        ValueError: if the pipeline cannot be accelerated, is so already, or an argument is wrong.
    """
    if any(isinstance(gate, Accelerated) and gate.pipe is pipe for gate in interceptors_of(pipe)):
        raise ValueError(
            "`pipe` is accelerated already. Call disable() on what enable() returned first."
        )
    rides = Accelerator(
        name_of(pipe), policy, extrapolator, corrector, memory, frozen, batch_error, seed
    )
    return Accelerated(pipe, rides)


class Accelerated:
    """A pipeline that skips steps; a context manager that gives the pipeline back as it was.

    Attributes:
        pipe: the pipeline.
    """

    def __init__(self, pipe: Any, rides: Accelerator):
        self.pipe, self.rides = pipe, rides
        self._lock = threading.RLock()  # a callback of a call may disable
        self._thread: int | None = None  # the thread whose call of the pipeline is under way
        self._seams = PipelineParts.of(pipe)
        self._hold()
        attach(pipe, self, "__call__")

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
        """What skipping did so far."""
        return self.rides.stats

    def __enter__(self) -> Accelerated:
        return self

    def __exit__(self, *exception) -> None:
        self.disable()

    def disable(self) -> None:
        """Gives the pipeline back as it was; once more does nothing."""
        with self._lock:
            if self in interceptors_of(self.pipe):
                detach(self.pipe, self)
                self._let_go()

    def __deepcopy__(self, memo: dict) -> Accelerated:
        return self  # a copied pipeline is another one: this gate lets its calls through

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Stands before the pipeline's, its scheduler's and its networks' methods, as a gate."""
        if thing is self.pipe:
            return self._run(plain, args, kwargs)
        if self._thread != threading.get_ident():
            return plain(*args, **kwargs)  # somebody else's call of a part that is shared
        if name == "set_timesteps":
            self.rides.end()
            return plain(*args, **kwargs)
        ride = self.rides.ride or self._begin_ride()
        if name == "step":
            return self._step(ride, plain, *args, **kwargs)
        network = next(n for n, m in self._seams.networks.items() if m is thing)
        return ride.call(
            thing,
            counts=network.startswith(COUNTED),
            ask=lambda: plain(*args, **kwargs),
            probe=lambda: probe(thing, args, kwargs),
        )

    def _run(self, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Runs one call of the pipeline; nothing of it outlives it but memory and statistics."""
        with self._lock:
            self._hold_anew()
            self._thread, before = threading.get_ident(), len(self.stats.per_call)
            try:
                output = plain(*args, **kwargs)
                self.rides.end()
            finally:
                self._thread = self.rides.ride = None
            if len(self.stats.per_call) == before:
                self.stats.reason = "the pipeline took no step with its scheduler and transformer"
            return output

    def _step(
        self, ride: Session, plain: Callable, v, t, x, *args, return_dict: bool = True, **kwargs
    ) -> Any:
        """Takes one step of the scheduler, and answers as the scheduler does."""
        taken: list[Any] = []

        def take_step(x, v):
            taken.append(plain(v, t, x, *args, return_dict=return_dict, **kwargs))
            return taken[0].prev_sample if return_dict else taken[0][0]

        ride.advance(x, v, take_step)
        return taken[0]

    def _begin_ride(self) -> Session:
        seams, start = self._seams, self._seams.start()
        jumps = seams.jumps(self.pipe, seams.scheduler.timesteps[start:])
        grid = Grid(seams.scheduler.sigmas[start:], jumps=jumps)
        return self.rides.begin(grid, seams.takes_euler_steps)

    def _hold(self) -> None:
        """Puts this gate before the scheduler's and the networks' methods."""
        attach(self._seams.scheduler, self, "set_timesteps", "step")
        for network in self._seams.networks.values():
            attach(network, self, "__call__")
        self.stats.notes = self._seams.caches()
        if self.rides.scheme.corrector.depth and not self._seams.takes_euler_steps:
            self.stats.notes.append(
                f"{type(self._seams.scheduler).__name__} takes steps of its own: velocities are "
                "extrapolated, latents are not corrected"
            )

    def _let_go(self) -> None:
        for part in (self._seams.scheduler, *self._seams.networks.values()):
            detach(part, self)

    def _hold_anew(self) -> None:
        """Follows a scheduler or network that was replaced since, and looks for caches again."""
        self._let_go()
        try:
            self._seams = PipelineParts.of(self.pipe)
        finally:
            self._hold()


def name_of(pipe: Any) -> str:
    """Names a pipeline by its class and where it came from; memories of others do not fit."""
    origin = Path(str(getattr(pipe, "name_or_path", None) or "")).name
    return f"{type(pipe).__name__}({origin})"
