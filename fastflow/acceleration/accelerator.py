"""The runs of something accelerated, one after the other: what they learn, and what they did."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from fastflow.acceleration.memory_store import MemoryStore
from fastflow.acceleration.session import Session
from fastflow.acceleration.stats import Run, Stats
from fastflow.integration.corrector import Corrector, NoCorrection
from fastflow.integration.episode import Episode, Scheme, Unskipped
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.grid import FEW_STEPS, Grid, few_steps
from fastflow.policies.policy import Policy
from fastflow.registry.compose import preset
from fastflow.registry.hooks import KINDS

BATCH_ERRORS = {"mean": torch.mean, "worst": torch.amax}


class Accelerator:
    """Begins a ride for every run, counts what it did and lets the policy learn from it.

    Args:
        name: of what is accelerated; memories of others do not fit.
        policy: decides which steps are computed; a name of the catalog, a preset or a component.
        extrapolator: predicts the velocities of skipped steps.
        corrector: mends the latents at landings.
        memory: what was learned earlier, or the file it was saved to.
        frozen: whether memory is only read: nothing is learned, nothing explored.
        batch_error: how the errors of a batch's rows make one: mean or worst.
        seed: seeds the policy's random draws, together with the number of the run.

    Attributes:
        memory: what was learned.
        stats: what skipping did so far.
        ride: the one under way, or None.

    Raises:
        ValueError: if an argument is wrong.
    """

    def __init__(
        self,
        name: str,
        policy: Policy | str,
        extrapolator: Extrapolator | str,
        corrector: Corrector | str,
        memory: MemoryStore | str | Path | None,
        frozen: bool,
        batch_error: str,
        seed: int,
    ):
        if batch_error not in BATCH_ERRORS:
            raise ValueError(f"`batch_error` must be mean or worst, got {batch_error!r}.")
        self.scheme = Scheme(make("extrapolator", extrapolator), make("corrector", corrector))
        self.policy: Policy = make("policy", policy)
        key = {"model": name, "extrapolator": repr(self.scheme.extrapolator)}
        self.memory = memory if isinstance(memory, MemoryStore) else MemoryStore(self.policy, key)
        if isinstance(memory, (str, Path)):
            self.memory.load(memory)
        if frozen:
            self.memory.freeze()
        self.over_rows, self.seed = BATCH_ERRORS[batch_error], seed
        self.stats = Stats()
        self.ride: Session | None = None

    def begin(self, grid: Grid, takes_euler_steps: bool = True) -> Session:
        """Begins a ride over a grid; latents of other steps than Euler's are not corrected."""
        corrector = self.scheme.corrector if takes_euler_steps else NoCorrection()
        scheme = self.scheme._replace(corrector=corrector)
        key = self.seed, len(self.stats.per_call)
        self.ride = Session(grid, scheme, self._episode(grid), key, self.over_rows)
        return self.ride

    def end(self) -> None:
        """Counts what the ride did, and lets the policy learn from it if it came to its end."""
        ride, self.ride = self.ride, None
        if ride is None:
            return
        run: Run = ride.stats()
        self.stats.per_call.append(run)
        if run.skipped:
            self.stats.reason = ""
        if ride.end is not None and not self.memory.frozen:
            self.policy.learn(self.memory.of(ride.grid), ride.end.feedback)

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


def make(kind: str, thing: Any) -> Any:
    """Returns a component of a kind: itself, or made by its name in the catalog or a preset's.

    Raises:
        ValueError: if it is something else, or there is none of that name.
    """
    base = KINDS[kind].base
    if isinstance(thing, base):
        return thing
    if not isinstance(thing, str):
        raise ValueError(
            f"`{kind}` must be a name or an instance of {base.__name__}, got {thing!r}."
        )
    return preset(kind, thing)
