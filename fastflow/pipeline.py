"""`enable(pipe)`: step skipping inside somebody else's diffusers pipeline."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fastflow.advice import FEW_STEPS, few_steps
from fastflow.catalog import KINDS, installed
from fastflow.corrector import Corrector, NoCorrection
from fastflow.extrapolator import Extrapolator
from fastflow.gates import attach, detach, gates_of
from fastflow.grid import Grid
from fastflow.memories import Memories
from fastflow.policy import Episode, Policy, Scheme, Unskipped
from fastflow.probing import probe
from fastflow.ride import Ride
from fastflow.seams import COUNTED, Seams
from fastflow.stats import Run, Stats

BATCH_ERRORS = {"mean": torch.mean, "worst": torch.amax}


def enable(
    pipe: Any,
    policy: Policy | str = "ucb",
    *,
    extrapolator: Extrapolator | str = "linear",
    corrector: Corrector | str = "interpolate",
    memory: Memories | str | Path | None = None,
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
    if any(isinstance(gate, Accelerated) and gate.pipe is pipe for gate in gates_of(pipe)):
        raise ValueError(
            "`pipe` is accelerated already. Call disable() on what enable() returned first."
        )
    if batch_error not in BATCH_ERRORS:
        raise ValueError(f"`batch_error` must be mean or worst, got {batch_error!r}.")
    scheme = Scheme(make("extrapolator", extrapolator), make("corrector", corrector))
    chosen: Policy = make("policy", policy)
    key = {"model": name_of(pipe), "extrapolator": repr(scheme.extrapolator)}
    learned = memory if isinstance(memory, Memories) else Memories(chosen, key)
    if isinstance(memory, (str, Path)):
        learned.load(memory)
    if frozen:
        learned.freeze()
    return Accelerated(pipe, chosen, scheme, learned, BATCH_ERRORS[batch_error], seed)


class Accelerated:
    """A pipeline that skips steps; a context manager that gives the pipeline back as it was.

    Attributes:
        pipe: the pipeline.
        policy: what decides.
        memory: what it has learned, a `Memories` that can be saved.
        stats: what skipping did so far.
    """

    def __init__(
        self,
        pipe: Any,
        policy: Policy,
        scheme: Scheme,
        memory: Memories,
        over_rows: Callable,
        seed: int = 0,
    ):
        self.pipe, self.policy, self.scheme, self.memory = pipe, policy, scheme, memory
        self.over_rows, self.seed = over_rows, seed
        self.stats = Stats()
        self._lock = threading.RLock()  # a callback of a call may disable
        self._thread: int | None = None  # the thread whose call of the pipeline is under way
        self._ride: Ride | None = None
        self._seams = Seams.of(pipe)
        self._hold()
        attach(pipe, self, "__call__")

    def __enter__(self) -> Accelerated:
        return self

    def __exit__(self, *exception) -> None:
        self.disable()

    def disable(self) -> None:
        """Gives the pipeline back as it was; once more does nothing."""
        with self._lock:
            if self in gates_of(self.pipe):
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
            self._end_ride()
            return plain(*args, **kwargs)
        if self._ride is None:
            self._ride = self._begin_ride()
        if name == "step":
            return self._step(plain, *args, **kwargs)
        network = next(n for n, m in self._seams.networks.items() if m is thing)
        return self._ride.call(
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
                self._end_ride()
            finally:
                self._thread = self._ride = None
            if len(self.stats.per_call) == before:
                self.stats.reason = "the pipeline took no step with its scheduler and transformer"
            return output

    def _step(self, plain: Callable, v, t, x, *args, return_dict: bool = True, **kwargs) -> Any:
        """Takes one step of the scheduler, and answers as the scheduler does."""
        assert self._ride is not None
        taken: list[Any] = []

        def take_step(x, v):
            taken.append(plain(v, t, x, *args, return_dict=return_dict, **kwargs))
            return taken[0].prev_sample if return_dict else taken[0][0]

        self._ride.advance(x, v, take_step)
        return taken[0]

    def _begin_ride(self) -> Ride:
        seams, start = self._seams, self._seams.start()
        jumps = seams.jumps(self.pipe, seams.scheduler.timesteps[start:])
        grid = Grid(seams.scheduler.sigmas[start:], jumps=jumps)
        corrector = self.scheme.corrector if seams.takes_euler_steps else NoCorrection()
        scheme = self.scheme._replace(corrector=corrector)
        key = self.seed, len(self.stats.per_call)
        return Ride(grid, scheme, self._episode(grid), key, self.over_rows)

    def _episode(self, grid: Grid) -> Episode:
        little = few_steps(grid.steps)
        if little and little != self.stats.reason:
            warnings.warn(f"fastflow: {little}", stacklevel=2)
        memory = self.memory.of(grid)
        self.stats.reason = little or _why_not_yet(memory, grid)
        try:
            return self.policy.begin(grid, memory)
        except ValueError as error:
            if grid.steps > FEW_STEPS:
                raise
            self.stats.reason = f"{little} Nothing is skipped: {error}"
            return Unskipped()

    def _end_ride(self) -> None:
        """Counts what the ride did, and lets the policy learn from it if it came to its end."""
        ride, self._ride = self._ride, None
        if ride is None:
            return
        run: Run = ride.stats()
        self.stats.per_call.append(run)
        if run.skipped:
            self.stats.reason = ""
        if ride.end is not None and not self.memory.frozen:
            self.policy.learn(self.memory.of(ride.grid), ride.end.lesson)

    def _hold(self) -> None:
        """Puts this gate before the scheduler's and the networks' methods."""
        attach(self._seams.scheduler, self, "set_timesteps", "step")
        for network in self._seams.networks.values():
            attach(network, self, "__call__")
        self.stats.notes = self._seams.caches()
        if self.scheme.corrector.depth and not self._seams.takes_euler_steps:
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
            self._seams = Seams.of(self.pipe)
        finally:
            self._hold()


def _why_not_yet(memory, grid: Grid) -> str:
    """Says why a policy may skip nothing this time."""
    if memory.frozen and memory.key is not None and not memory.samples:
        return (
            f"memory is frozen and holds nothing for this grid of {grid.steps} steps: every step "
            "is computed. Learn with frozen=False first."
        )
    if memory.key is not None and not memory.samples:
        return "the policy computes every step of the first call, to learn from it."
    return "the policy skipped nothing."


def name_of(pipe: Any) -> str:
    """Names a pipeline by its class and where it came from; memories of others do not fit."""
    origin = Path(str(getattr(pipe, "name_or_path", None) or "")).name
    return f"{type(pipe).__name__}({origin})"


def make(kind: str, thing: Any) -> Any:
    """Returns a component of a kind: itself, or made by its name in the catalog or a preset's.

    Raises:
        ValueError: if it is something else, or there is none of that name.
    """
    base = KINDS[kind][1]
    if isinstance(thing, base):
        return thing
    if not isinstance(thing, str):
        raise ValueError(
            f"`{kind}` must be a name or an instance of {base.__name__}, got {thing!r}."
        )
    if thing in installed().names(kind):
        return installed().get(kind, thing)()
    from fastflow.config import preset

    return preset(kind, thing)
