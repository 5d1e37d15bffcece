"""The base class of what `enable` and similar functions return."""

from __future__ import annotations

import functools
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch

from fastflow.acceleration.following.denoising_run import DenoisingRun
from fastflow.acceleration.following.pipeline_call import Call
from fastflow.acceleration.following.session import Session
from fastflow.acceleration.interception import interceptors_of
from fastflow.acceleration.memory_store import MemoryStore, memory_store
from fastflow.acceleration.stats import CallStats, Stats
from fastflow.integration.corrector import Corrector, NoCorrection
from fastflow.integration.episode import Episode, Scheme, Unskipped
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.grid import Grid, few_steps
from fastflow.planning.linear_plan import PlannedCoefficients
from fastflow.policies.learning import Learning
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.registry.compose import preset
from fastflow.registry.hooks import KINDS

Follower = Callable[[Grid], Episode]
BATCH_ERRORS = {"mean": torch.mean, "worst": torch.amax}


class Accelerator(ABC):
    """Skips steps of one object until it is disabled; a context manager that restores the object.

    It begins a session for every denoising run, collects statistics, and lets the policy learn
    from the run. Subclasses define how the object's calls are intercepted.

    Args:
        owner: the object whose calls are intercepted.
        name: the name of the model; a memory fits only models of its name.
        policy: decides which steps are computed; a name of the catalog, a preset or a component.
        extrapolator: predicts the velocities of skipped steps.
        corrector: corrects the latents at landings.
        memory: what was learned earlier, or the file it was saved to.
        frozen: whether memory is only read: nothing is learned and nothing explored.
        batch_error: how the errors of the batch's samples are combined into one: mean or worst.
        seed: seeds the policy's random draws, together with the number of the run.

    Attributes:
        policy: decides which steps are computed.
        scheme: the extrapolator and the corrector.
        memory: what the policy has learned; it can be saved.
        stats: what skipping did so far; every guidance branch counts as a call.

    Raises:
        ValueError: if an argument is wrong.
    """

    def __init__(
        self,
        owner: Any,
        name: str,
        policy: Policy | str,
        extrapolator: Extrapolator | str,
        corrector: Corrector | str,
        memory: MemoryStore | str | Path | None,
        frozen: bool,
        batch_error: str = "mean",
        seed: int = 0,
    ):
        if not isinstance(batch_error, str) or batch_error not in BATCH_ERRORS:
            raise ValueError(f"`batch_error` must be mean or worst, got {batch_error!r}.")
        _check_settings(seed, frozen)
        self._owner = owner
        self.scheme = Scheme(
            component("extrapolator", extrapolator), component("corrector", corrector)
        )
        self.policy: Policy = component("policy", policy)
        self.learning = Learning(self.policy, self.scheme, name)
        self.memory, self.frozen = memory_store(memory, self.learning), frozen
        self.over_rows, self.seed = BATCH_ERRORS[batch_error], seed
        self.stats = Stats()
        self._lock = threading.RLock()  # reentrant: a callback of a call may disable
        self._calls: list[Call] = []  # in progress: one, or within a callback one within another
        self._ended: list[DenoisingRun] = []  # the denoising runs of the last call
        self._begun = 0  # the number of denoising runs of all calls that the policy sees
        self._follow: Follower | None = None  # makes the episodes of a watched call

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.disable()

    def __deepcopy__(self, memo: dict) -> Self:
        return self  # it passes on the calls of copies: they are not its object

    def disable(self) -> None:
        """Restores the object; calling it again does nothing."""
        with self._lock:
            if self in interceptors_of(self._owner):
                self._detach()

    @abstractmethod
    def _detach(self) -> None:
        """Takes this interceptor off the object and its parts."""

    @abstractmethod
    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Answers a call of an intercepted method."""

    def _run(self, plain: Callable[[], Any], call: Call | None = None) -> Any:
        """Runs one call of the object; only memory and statistics remain of it.

        A call that fails teaches nothing.
        """
        call = call or Call()
        self._calls.append(call)
        try:
            output = plain()
            call.end()
        except BaseException:
            if self._follow is None:
                self.stats.trouble = "the last call did not come to its end: it taught nothing."
            raise
        finally:
            self._calls.pop()
        self._ended = call.ended
        if self._follow is None:
            self._account(call)
        return output

    @property
    def _call(self) -> Call | None:
        """The call in progress in this thread; other threads may share the object's parts."""
        call = next(iter(self._calls[-1:]), None)  # it may end while this thread looks
        return call if call is not None and call.thread == threading.get_ident() else None

    def _memory_of(self, grid: Grid) -> Memory:
        return self.memory.of(grid, self.learning, frozen=self.frozen)

    def _begin(self, grid: Grid, takes_euler_steps: bool = True, sign: int = 1) -> Session:
        """Begins a session over a grid; latents are corrected only between Euler steps."""
        if self._follow is not None:
            episode, scheme = self._follow(grid), self.scheme
        else:
            episode, scheme = self._episode(grid)
            self.stats.plan = _nodes(episode)
        if not takes_euler_steps:
            episode.coefficients = None
            scheme = Scheme(scheme.extrapolator, NoCorrection())
        key = self.seed, self._begun
        if self._follow is None:
            self._begun += 1
        return Session(grid, scheme, episode, key, self.over_rows, sign)

    def _account(self, call: Call) -> None:
        """Keeps a call's statistics; the policy learns from its finished runs."""
        if not call.ended:
            return
        stats = functools.reduce(CallStats.then, (run.stats() for run in call.ended))
        self.stats.per_call.append(stats)
        if stats.skipped:
            self.stats.reason = ""
        self.stats.trouble = call.trouble()
        for run in call.ended:
            grid = self._learned_grid(run, call)
            if grid is None:
                continue
            memory = self._memory_of(grid)
            if run.end is not None and not self.stats.trouble:
                self.learning.learn(memory, run.end.feedback)
            self._report(grid, memory)

    def _learned_grid(self, run: DenoisingRun, call: Call) -> Grid | None:
        """Returns the grid for which a call's run teaches something; None if it followed none."""
        return run.grid

    def _report(self, grid: Grid, memory: Memory) -> None:
        """Says in the statistics what was learned, and at what cost."""
        self.stats.learned = _learned(memory) if memory.key is not None else ""
        try:
            self.stats.remarks = self.policy.remarks(memory, grid)
        except ValueError:  # a target that this grid cannot have: said in the reason
            self.stats.remarks = []

    def watch(self, call: Callable[[], Any], follow: Follower) -> Session:
        """Runs one call with an episode from outside; neither statistics nor the policy see it.

        Args:
            call: calls the object.
            follow: makes the episode, for the call's time grid.

        Returns:
            The session of the call's denoising run.

        Raises:
            ValueError: if the call has not just one denoising run, or did not finish it.
        """
        with self._lock:
            self._follow = follow
            try:
                call()
            finally:
                self._follow = None
            ended, self._ended = self._ended, []
            finished = [run for run in ended if isinstance(run, Session) and run.end]
            if len(ended) != 1 or not finished:
                reasons = {run.reason for run in ended if run.reason}
                raise ValueError(
                    f"a call that is watched must finish one denoising run; this one began "
                    f"{len(ended)} and finished {len(finished)}.{' '.join(['', *reasons])}"
                )
            return finished[0]

    def _episode(self, grid: Grid) -> tuple[Episode, Scheme]:
        warning = few_steps(grid.steps)
        if warning and warning != self.stats.reason:
            warnings.warn(f"fastflow: {warning}", stacklevel=2)
        memory = self._memory_of(grid)
        self.stats.reason = warning or _why_unskipped(memory, grid)
        try:
            return self.learning.begin(grid, memory)
        except ValueError as error:  # the policy does not fit this grid: the call goes on
            self.stats.reason = f"{warning} Nothing is skipped: {error}".lstrip()
            return Unskipped(), self.scheme


def _nodes(episode: Episode) -> tuple[int, ...]:
    """Returns the computed steps of the plan that an episode follows, if it follows one."""
    followed = episode.coefficients
    return followed.plan.nodes if isinstance(followed, PlannedCoefficients) else ()


def _learned(memory: Memory) -> str:
    """Returns what a memory has learned from, and what that has cost."""
    full = f", {memory.gram.count} of them in full" if memory.gram.count else ""
    trials = f", and {memory.learning_calls} more network calls" if memory.learning_calls else ""
    return f"{memory.samples} call{'s' * (memory.samples != 1)}{full}{trials}"


def _why_unskipped(memory: Memory, grid: Grid) -> str:
    """Returns the reason to report if the policy skips nothing in this run."""
    if memory.frozen and memory.key is not None and not memory.samples:
        return (
            f"memory is frozen and holds nothing for this grid of {grid.steps} steps: every step "
            "is computed. Learn with frozen=False first."
        )
    if memory.key is not None and not memory.samples:
        return "the policy computes every step of the first call, to learn from it."
    return "the policy skipped nothing."


def _check_settings(seed: Any, frozen: Any) -> None:
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"`seed` must be a whole number from 0 on, got {seed!r}.")
    if not isinstance(frozen, bool):
        raise ValueError(f"`frozen` must be True or False, got {frozen!r}.")


def component(kind: str, thing: Any) -> Any:
    """Returns a component of a kind, given itself or the name of a component or preset.

    Raises:
        ValueError: if it is neither, or there is no component of that name.
    """
    base = KINDS[kind].base
    if isinstance(thing, base):
        return thing
    if not isinstance(thing, str):
        raise ValueError(
            f"`{kind}` must be a name or an instance of {base.__name__}, got {thing!r}."
        )
    return preset(kind, thing)
