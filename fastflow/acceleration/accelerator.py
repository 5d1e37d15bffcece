"""The base class of what `enable` and similar functions return."""

from __future__ import annotations

import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch

from fastflow.acceleration.interception import interceptors_of
from fastflow.acceleration.memory_store import MemoryStore
from fastflow.acceleration.session import Session
from fastflow.acceleration.stats import Stats
from fastflow.integration.corrector import Corrector, NoCorrection
from fastflow.integration.episode import Episode, Scheme, Unskipped
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.grid import FEW_STEPS, Grid, few_steps
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
        if batch_error not in BATCH_ERRORS:
            raise ValueError(f"`batch_error` must be mean or worst, got {batch_error!r}.")
        self._owner = owner
        self.scheme = Scheme(
            component("extrapolator", extrapolator), component("corrector", corrector)
        )
        self.policy: Policy = component("policy", policy)
        self.learning = Learning(self.policy, self.scheme, name)
        self.memory = memory if isinstance(memory, MemoryStore) else MemoryStore(self.learning)
        if isinstance(memory, (str, Path)):
            self.memory.load(memory)
        if frozen:
            self.memory.freeze()
        self.over_rows, self.seed = BATCH_ERRORS[batch_error], seed
        self.stats = Stats()
        self._session: Session | None = None  # of the denoising run in progress
        self._lock = threading.RLock()  # reentrant: a callback of a call may disable
        self._thread: int | None = None  # the thread whose call is in progress
        self._ended: list[Session] = []  # the denoising runs of the last call
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

    def _run(self, plain: Callable[[], Any]) -> Any:
        """Runs one call of the object; only memory and statistics remain of it."""
        self._thread, self._ended = threading.get_ident(), []
        try:
            output = plain()
            self._end()
        finally:
            self._thread = self._session = None
        return output

    @property
    def _is_running_here(self) -> bool:
        """Whether the call in progress is this thread's; others may share the object's parts."""
        return self._thread == threading.get_ident()

    def _begin(self, grid: Grid, takes_euler_steps: bool = True) -> Session:
        """Begins a session over a grid; latents are corrected only between Euler steps."""
        if self._follow is not None:
            episode, scheme = self._follow(grid), self.scheme
        else:
            episode, scheme = self._episode(grid)
            self.stats.plan = _nodes(episode)
        if not takes_euler_steps:
            episode.coefficients = None
            scheme = Scheme(scheme.extrapolator, NoCorrection())
        key = self.seed, len(self.stats.per_call)
        self._session = Session(grid, scheme, episode, key, self.over_rows)
        return self._session

    def _end(self) -> None:
        """Ends the session: keeps its statistics; the policy learns from it if it is finished."""
        session, self._session = self._session, None
        if session is None:
            return
        self._ended.append(session)
        if self._follow is not None:
            return
        call = session.stats()
        self.stats.per_call.append(call)
        if call.skipped:
            self.stats.reason = ""
        memory = self.memory.of(session.grid)
        if session.end is not None:
            self.learning.learn(memory, session.end.feedback)
        self._report(session.grid, memory)

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
            finished = [session for session in self._ended if session.end is not None]
            if len(self._ended) != 1 or not finished:
                raise ValueError(
                    f"a call that is watched must finish one denoising run; this one began "
                    f"{len(self._ended)} and finished {len(finished)}."
                )
            return finished[0]

    def _episode(self, grid: Grid) -> tuple[Episode, Scheme]:
        warning = few_steps(grid.steps)
        if warning and warning != self.stats.reason:
            warnings.warn(f"fastflow: {warning}", stacklevel=2)
        memory = self.memory.of(grid)
        self.stats.reason = warning or _why_unskipped(memory, grid)
        try:
            return self.learning.begin(grid, memory)
        except ValueError as error:
            if grid.steps > FEW_STEPS:
                raise
            self.stats.reason = f"{warning} Nothing is skipped: {error}"
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
