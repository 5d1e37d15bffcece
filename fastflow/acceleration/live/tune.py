"""`tune`: runs a pipeline in full, then tries the plans that a policy wants to compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from fastflow.acceleration.following.session import Session
from fastflow.acceleration.live.trial_runs import (
    VELOCITIES,
    FullRun,
    following,
    reference_of,
    result_of,
    run_trials,
)
from fastflow.acceleration.memory_store import MemoryStore
from fastflow.integration.episode import Episode, Unskipped
from fastflow.integration.feedback import Feedback
from fastflow.integration.grid import Grid
from fastflow.policies.learning import Learning
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.policies.targets import resolved
from fastflow.policies.trials import Trial, TrialResult

WARMUP = "warmup_samples"  # the parameter of a policy that says how many full runs it wants
PipelineCall = tuple[dict[str, Any], int]  # its arguments, and the seed of its noise
Watch = Callable[[dict[str, Any], int, Callable[[Grid], Episode]], Session]


@dataclass(frozen=True)
class Tuned:
    """Reports what a tuning did.

    Attributes:
        references: the number of full runs.
        trials: the number of trials run this time.
        price: how many full runs all of it was expected to cost, the full runs themselves
            included; None if the arguments did not show the number of steps.
        calls: the network calls made this time.
        summary: what was learned, as a table.
    """

    references: int
    trials: int
    price: float | None
    calls: int
    summary: str

    def __str__(self) -> str:
        return (
            f"{self.references} full runs and {self.trials} trials, {self.calls} network calls\n"
            f"{self.summary}"
        )


class Tuning:
    """Tunes a policy on one pipeline; what is finished is always in the store, and in the file.

    Args:
        learning: the policy that learns.
        store: its memories.
        calls: the call of every full run.
        watch: makes one call, with an episode from outside.
        out: the file to write what was learned to; None to write none. If it exists and the
            store is empty, it is loaded.

    Raises:
        ValueError: if the memory is frozen, or ``out`` is in no folder or of something else.
    """

    def __init__(
        self,
        learning: Learning,
        store: MemoryStore,
        calls: Sequence[PipelineCall],
        watch: Watch,
        out: str | Path | None,
    ):
        if store.frozen:
            raise ValueError("`tune` cannot learn into a frozen memory. Enable with frozen=False.")
        self.learning, self.store, self.requests, self.watch = learning, store, calls, watch
        self.out = None if out is None else Path(out)
        if self.out is not None and not self.out.parent.is_dir():
            raise ValueError(f"`out` {str(out)!r} is in a folder that does not exist.")
        if self.out is not None and self.out.exists():
            # an attempt that was interrupted goes on; a file of something else is refused
            (MemoryStore(store.learning) if store.samples else store).load(self.out)
        self.calls = self.trials = 0
        self.bar: Any = None
        self.grid: Grid | None = None

    def run(self, steps: int | None) -> Tuned:
        """Makes the full runs and the trials, and returns what they did.

        Args:
            steps: the number of steps of a run, if it is known, to state the price.

        Raises:
            ValueError: if the policy has nothing to tune, the runs do not share a time grid, or
                none of them is finite.
        """
        count = len(self.requests)
        price = None if steps is None else count + self._price(Grid.even(steps))
        cost = "" if price is None else f", and trials worth about {price - count:.1f} more"
        tqdm.write(f"tune: {count} full runs{cost}")
        total = None if price is None or steps is None else round(price * steps)
        with tqdm(desc="tune", unit="step", total=total) as self.bar:
            calls, references = self._references()
            memory = self._try(calls, references)
        self._save()
        return Tuned(len(references), self.trials, price, self.calls, memory.summary())

    def _price(self, grid: Grid) -> float:
        """Returns the price of the trials in full runs."""
        policy = self._policy(grid, len(self.requests))
        if not (price := policy.learning_runs(grid)):
            raise ValueError(
                f"{type(policy).__name__} has no plans to try. Enable with policy='halving', and "
                "a target if you like, such as speedup=2.6."
            )
        return price

    def _policy(self, grid: Grid, references: int) -> Policy:
        """Returns the policy for a grid, content with as many full runs as there are."""
        policy = resolved(self.learning.policy, grid)
        return replace(policy, **{WARMUP: references}) if hasattr(policy, WARMUP) else policy

    def _references(self) -> tuple[list[PipelineCall], list[FullRun]]:
        """Makes the full runs, and learns from those that the memory has not seen."""
        calls: list[PipelineCall] = []
        found: list[FullRun] = []
        for arguments, seed in self.requests:
            session = self._watch(arguments, seed, lambda grid: Unskipped(VELOCITIES))
            memory, one = self._memory(session.grid), reference_of(session)
            memory.learning_calls += session.calls
            if not torch.isfinite(one.x).all():
                tqdm.write(f"tune: the run with seed {seed} is not finite and left out")
                continue
            if memory.gram.count <= len(found):  # it is not known from an earlier attempt
                self.learning.learn(memory, one.feedback)
            calls.append((arguments, seed))
            found.append(one)
            self._save()
            if self._is_done(memory, one.feedback):
                tqdm.write("tune: the plans were tried already; nothing is left to do")
                break
        if not found:
            raise ValueError("no run was finite: there is nothing to learn from.")
        return calls, found

    def _memory(self, grid: Grid) -> Memory:
        """Returns the memory of the grid, which all runs have to share."""
        if self.grid is None:
            self._price(grid)
            self.grid = grid
        if grid.digest != self.grid.digest:
            raise ValueError(
                f"the runs do not share a time grid: one has {self.grid.steps} steps and sigma "
                f"{self.grid.sigma[1]:.4f} after the first, another {grid.steps} and "
                f"{grid.sigma[1]:.4f}. Tune one number of steps and one size at a time."
            )
        return self.store.of(grid)

    def _is_done(self, memory: Memory, feedback: Feedback) -> bool:
        """Returns whether the policy wants no trial, of however few full runs."""
        assert self.grid is not None
        return self._policy(self.grid, 1).trials(memory, self.grid, [feedback]) is None

    def _try(self, calls: Sequence[PipelineCall], references: Sequence[FullRun]) -> Memory:
        """Runs the trials and returns the memory."""
        assert self.grid is not None
        memory, policy = self.store.of(self.grid), self._policy(self.grid, len(references))

        def run(trial: Trial) -> TrialResult:
            arguments, seed = calls[trial.reference]
            session = self._watch(arguments, seed, following(trial))
            self.trials += 1
            return result_of(session, references[trial.reference])

        trials = policy.trials(memory, self.grid, [one.feedback for one in references])
        if trials is not None:
            run_trials(trials, run, self._save)
        return memory

    def _watch(
        self, arguments: dict[str, Any], seed: int, follow: Callable[[Grid], Episode]
    ) -> Session:
        session = self.watch(arguments, seed, follow)
        self.calls += session.calls
        self.bar.update(len(session.computed))
        return session

    def _save(self) -> None:
        if self.out is not None:
            self.store.save(self.out)
