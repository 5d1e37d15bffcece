"""`enable(pipe)`: step skipping inside an existing diffusers pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from fastflow.acceleration.accelerator import Accelerator
from fastflow.acceleration.interception import attach, detach, interceptors_of
from fastflow.acceleration.memory_store import MemoryStore
from fastflow.acceleration.pipeline_parts import COUNTED, PipelineParts
from fastflow.acceleration.probes import probe
from fastflow.acceleration.session import Session
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
) -> AcceleratedPipeline:
    """Lets a diffusers pipeline skip steps, until it is disabled again.

    Every ordinary ``pipe(...)`` call then skips the steps that the policy chooses, with one
    decision for the whole batch, and the policy learns from the call. With ``policy="never"``
    every output is bit for bit that of the untouched pipeline.

    Args:
        pipe: a loaded pipeline of a flow-matching model whose scheduler needs one evaluation per
            step. Only this object is changed, and only until `Accelerator.disable`.
        policy: decides which steps are computed; a name of the catalog, a preset or a component.
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
    if any(isinstance(i, AcceleratedPipeline) and i.pipe is pipe for i in interceptors_of(pipe)):
        raise ValueError(
            "`pipe` is accelerated already. Call disable() on what enable() returned first."
        )
    return AcceleratedPipeline(
        pipe, name_of(pipe), policy, extrapolator, corrector, memory, frozen, batch_error, seed
    )


class AcceleratedPipeline(Accelerator):
    """A diffusers pipeline that skips steps.

    Attributes:
        pipe: the pipeline.
    """

    def __init__(self, pipe: Any, *settings: Any):
        super().__init__(pipe, *settings)
        self.pipe = pipe
        self._parts = PipelineParts.of(pipe)
        self._attach_parts()
        attach(pipe, self, "__call__")

    def _detach(self) -> None:
        detach(self.pipe, self)
        self._detach_parts()

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Answers a call of the pipeline, of its scheduler or of one of its networks."""
        if thing is self.pipe:
            return self._run_pipeline(lambda: plain(*args, **kwargs))
        if not self._is_running_here:
            return plain(*args, **kwargs)
        if name == "set_timesteps":
            self._end()
            return plain(*args, **kwargs)
        session = self._session or self._begin_session()
        if name == "step":
            return self._step(session, plain, *args, **kwargs)
        network = next(n for n, m in self._parts.networks.items() if m is thing)
        return session.call(
            thing,
            counts=network.startswith(COUNTED),
            ask=lambda: plain(*args, **kwargs),
            probe=lambda: probe(thing, args, kwargs),
        )

    def _run_pipeline(self, plain: Callable[[], Any]) -> Any:
        with self._lock:
            self._attach_to_current_parts()
            before = len(self.stats.per_call)
            output = self._run(plain)
            if len(self.stats.per_call) == before:
                self.stats.reason = "the pipeline took no step with its scheduler and transformer"
            return output

    def _step(
        self,
        session: Session,
        plain: Callable,
        v: Tensor,
        t: Any,
        x: Tensor,
        *args: Any,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Takes one step of the scheduler and returns what the scheduler returns."""
        taken: list[Any] = []

        def take_step(x: Tensor, v: Tensor) -> Tensor:
            taken.append(plain(v, t, x, *args, return_dict=return_dict, **kwargs))
            return taken[0].prev_sample if return_dict else taken[0][0]

        session.advance(x, v, take_step)
        return taken[0]

    def _begin_session(self) -> Session:
        parts, start = self._parts, self._parts.start()
        jumps = parts.jumps(self.pipe, parts.scheduler.timesteps[start:])
        grid = Grid(parts.scheduler.sigmas[start:], jumps=jumps)
        return self._begin(grid, parts.takes_euler_steps)

    def _attach_parts(self) -> None:
        """Intercepts the scheduler's and the networks' methods."""
        attach(self._parts.scheduler, self, "set_timesteps", "step")
        for network in self._parts.networks.values():
            attach(network, self, "__call__")
        self.stats.notes = self._parts.caches()
        if self.scheme.corrector.depth and not self._parts.takes_euler_steps:
            self.stats.notes.append(
                f"{type(self._parts.scheduler).__name__} does not take Euler steps: velocities "
                "are extrapolated, latents are not corrected"
            )

    def _detach_parts(self) -> None:
        for part in (self._parts.scheduler, *self._parts.networks.values()):
            detach(part, self)

    def _attach_to_current_parts(self) -> None:
        """Switches to the current scheduler and networks, and lists their caches again."""
        self._detach_parts()
        try:
            self._parts = PipelineParts.of(self.pipe)
        finally:
            self._attach_parts()


def name_of(pipe: Any) -> str:
    """Names a pipeline by its class and its origin; a memory fits only pipelines of its name."""
    origin = Path(str(getattr(pipe, "name_or_path", None) or "")).name
    return f"{type(pipe).__name__}({origin})"
