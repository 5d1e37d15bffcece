"""A diffusers pipeline that skips steps: what is intercepted of it, and how it is followed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from fastflow.acceleration.accelerator import Accelerator, Follower
from fastflow.acceleration.following import Call, DenoisingRun, FirstStep, Session
from fastflow.acceleration.interception import attach, detach, interceptors_of, own_class
from fastflow.acceleration.live import (
    OUTPUT,
    FullRun,
    Prompts,
    Repeatable,
    Tuned,
    Tuning,
    following,
    reference_of,
    result_of,
    run_trials,
    steps_of,
    takes,
    tune_calls,
)
from fastflow.acceleration.pipeline_parts import COUNTED, PipelineParts
from fastflow.acceleration.probes import probe
from fastflow.acceleration.seen import (
    Caller,
    RunBegin,
    RunShapes,
    SchedulerStep,
    callback_codes,
    leaves,
    settings,
)
from fastflow.integration.grid import Grid
from fastflow.policies.targets import resolved
from fastflow.policies.trials import Trial, TrialResult

DISABLED = "it was disabled within the call"
NO_PICKLE = (
    "a pipeline cannot be pickled while fastflow is enabled on it: what is learned belongs to "
    "this process. Call disable() first; `memory.save(FILE)` keeps what was learned."
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
        self._shapes = RunShapes()
        try:
            self._attach_parts()
            attach(pipe, self, "__call__", pickles=NO_PICKLE)
        except BaseException:
            self._detach()
            raise

    def _detach(self) -> None:
        detach(self.pipe, self)
        self._detach_parts()
        for call in self._calls:
            call.stop(DISABLED)

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Answers a call of the pipeline, of its scheduler or of one of its networks."""
        if thing is self.pipe:
            return self._run_pipeline(plain, args, kwargs)
        call = self._call
        if call is None or not call.caller.is_pipeline(thing):
            return plain(*args, **kwargs)
        if name == "set_timesteps":
            call.end_run()
            return plain(*args, **kwargs)
        if self._parts.were_replaced(self.pipe):
            call.stop("a part of the pipeline was replaced within its call")
        if call.run is None:
            call.run = DenoisingRun(call.reason) if call.reason else FirstStep()
        if name == "step":
            return self._step(call, SchedulerStep(thing, plain, args, kwargs))
        network = next(n for n, m in self._parts.networks.items() if m is thing)
        return call.run.call(
            thing,
            counts=network.startswith(COUNTED),
            ask=lambda: plain(*args, **kwargs),
            probe=lambda: self._probe(thing, args, kwargs),
            inputs=leaves(args, kwargs) | ({} if call.run.turn else settings(self.pipe)),
        )

    def _probe(self, network: Any, args: tuple, kwargs: dict) -> Any:
        signal = probe(network, args, kwargs)
        if signal is None and self.policy.needs_probe:
            self.stats.reason = (
                f"the policy needs a probe, and {own_class(network).__name__} has none: every "
                "step is computed. Give it one in the hook `fastflow_probes`."
            )
        return signal

    def tune(
        self,
        prompts: Prompts,
        *,
        seeds: int | Sequence[int] = 0,
        out: str | Path | None = None,
        **call_arguments: Any,
    ) -> Tuned:
        """Tries the policy's plans live on some prompts, and keeps the best.

        For the policy ``halving``. Each prompt is run in full with each seed; then plans are run
        from the same noise and compared by the final latents (`fastflow_plugins` says how). The
        price is printed before the first run. Whatever is finished is in `memory` at once, and in
        the file: after an interruption the same call goes on, repeating only the full runs.

        Args:
            prompts: a text, or a list of about 12; instead of a text, a mapping of the arguments
                in which its call differs, such as ``{"prompt": ..., "image": ...}``.
            seeds: the seed or the seeds with which every prompt is run.
            out: a file to save the memory to; ``enable(pipe, policy="halving", memory=FILE,
                frozen=True)`` then serves with it.
            call_arguments: what else to call the pipeline with, as usual.

        Raises:
            ValueError: if an argument is wrong, the policy has nothing to tune, or the runs do
                not share a time grid.
        """
        if self not in interceptors_of(self.pipe):
            raise ValueError("`tune` needs an enabled pipeline: call enable() again.")
        if self.frozen:
            raise ValueError("`tune` cannot learn into a frozen memory. Enable with frozen=False.")
        calls = tune_calls(self.pipe.__call__, prompts, seeds, call_arguments)
        tuning = Tuning(self.learning, self.memory, calls, self._watch_seed, out)
        return tuning.run(steps_of(self.pipe.__call__, calls[0][0]))

    def _watch_seed(self, arguments: dict[str, Any], seed: int, follow: Follower) -> Session:
        """Calls the pipeline from the noise of a seed, with an episode from outside."""
        device = getattr(self.pipe, "_execution_device", None) or "cpu"
        generator = torch.Generator(device).manual_seed(seed)
        latent = {OUTPUT: "latent"} if takes(self.pipe.__call__, OUTPUT) else {}
        return self.watch(lambda: self.pipe(**arguments, **latent, generator=generator), follow)

    def _run_pipeline(self, plain: Callable, args: tuple, kwargs: dict) -> Any:
        with self._lock:
            if self not in interceptors_of(self.pipe):  # another thread has just disabled it
                return plain(*args, **kwargs)
            self._attach_to_current_parts()
            if self._follow is not None:
                return self._run(lambda: plain(*args, **kwargs), self._new_call(kwargs))
            call, repeatable = self._new_call(kwargs), Repeatable(plain, args, kwargs)
            output = self._run(lambda: self._whole(call, plain, args, kwargs), call)
            if not call.ended:
                self.stats.reason = "the pipeline took no step with its scheduler and transformer"
                self.stats.trouble = self.stats.reason
            elif not repeatable.has_callback and not self.stats.trouble:
                self._audit(repeatable)
            return output

    def _new_call(self, arguments: Mapping[str, Any]) -> Call:
        return Call(Caller(self.pipe, callback_codes(arguments.items())))

    def _whole(self, call: Call, plain: Callable, args: tuple, kwargs: dict) -> Any:
        output = plain(*args, **kwargs)
        call.was_interrupted = bool(getattr(self.pipe, "interrupt", False))
        return output

    def _audit(self, call: Repeatable) -> None:
        """Runs the few trials that the policy wants of the call just made, if it wants any."""
        if len(self._ended) != 1 or (end := self._ended[0].end) is None:
            return
        grid = self._ended[0].grid
        assert grid is not None
        try:
            policy = resolved(self.learning.policy, grid)
        except ValueError:  # a target that this grid cannot have: nothing was skipped
            return
        memory = self._memory_of(grid)
        trials = policy.trials(memory, grid, [end.feedback])
        if trials is None or not policy.are_audits(memory):  # all others are left to `tune`
            return
        full = reference_of(self._ended[0])
        try:
            run_trials(trials, lambda trial: self._repeat(call, trial, full))
        except Exception as error:  # the caller's own result is there
            warnings.warn(f"fastflow: an audit failed and is left out: {error!r}", stacklevel=2)
        self._report(grid, memory)

    def _repeat(self, call: Repeatable, trial: Trial, full: FullRun) -> TrialResult:
        """Makes a call again by the plan of a trial."""
        run = self._new_call(call.kwargs)
        repeated = self.watch(lambda: self._run(call.again, run), following(trial))
        return result_of(repeated, full)

    def _step(self, call: Call, step: SchedulerStep) -> Any:
        """Takes one step of the scheduler and returns what the scheduler returns."""
        if isinstance(call.run, FirstStep):
            self._begin_run(call, call.run, step)
        else:
            assert call.run is not None
            call.run.advance(step.x, step.v, step.take)
        return step.output

    def _begin_run(self, call: Call, first: FirstStep, step: SchedulerStep) -> None:
        """Takes the first step of a run, which shows where the run begins and what a step does."""
        x, v, before = step.x, step.v, step.random_state()
        x_next = step.take(x, v)
        drew = not all(map(torch.equal, before, step.random_state()))
        sigmas = self._parts.sigmas(step.time)
        begin = RunBegin(first.turn, sigmas, x, v, x_next, drew)
        if why := call.reason or begin.why_not():
            call.run = first.becomes(DenoisingRun(why))
        else:
            call.run = self._follow_run(begin).begun(first)
        call.run.advance(x, v, lambda x, v: x_next)

    def _follow_run(self, begin: RunBegin) -> Session:
        """Returns the session of a run."""
        shape, sigmas = self._shapes.of(begin.sigma), begin.falling
        jumps = shape.jumps | self._parts.jumps(self.pipe, len(begin.sigma) - 1)
        steps = min(shape.steps or len(sigmas) - 1, len(sigmas) - 1)
        grid = Grid(sigmas[: steps + 1], jumps=frozenset(k for k in jumps if k < steps))
        sign = begin.direction() if self._parts.takes_euler_steps else 0
        self.stats.notes += begin.notes(type(self._parts.scheduler).__name__, sign)
        session = self._begin(grid, sign != 0, sign or 1)
        session.sigma = begin.sigma
        return session

    def _learned_grid(self, run: DenoisingRun, call: Call) -> Grid | None:
        if not isinstance(run, Session):
            return None
        if not (run.reason or call.was_interrupted):
            self._shapes.keep(run.sigma, run.taken, frozenset(run.late_jumps))
        late = run.late_jumps - run.grid.jumps
        if late and len(run.computed) == run.grid.steps:
            return Grid(run.grid.sigmas, jumps=run.grid.jumps | late)
        return run.grid

    def _attach_parts(self) -> None:
        """Intercepts the scheduler's and the networks' methods."""
        scheduler = self._parts.scheduler
        attach(scheduler, self, "set_timesteps", "step", copied=self._scheduler_was_copied)
        for network in self._parts.networks.values():
            attach(network, self, "__call__")
        self.stats.notes = self._parts.caches()

    def _scheduler_was_copied(self) -> None:
        """Gives a call up that takes steps with a copy: they are not seen."""
        call = self._call
        if call is not None and call.caller.is_pipeline(self._parts.scheduler):
            call.stop(
                "the pipeline makes a copy of its scheduler for a second stream or for single "
                "frames, and steps that a copy takes are not followed"
            )

    def _detach_parts(self) -> None:
        for part in (self._parts.scheduler, *self._parts.networks.values()):
            detach(part, self)

    def _attach_to_current_parts(self) -> None:
        """Switches to the current scheduler and networks, and lists their caches again."""
        self._detach_parts()
        try:
            self._parts = PipelineParts.of(self.pipe, self._parts.scheduler)
        finally:
            self._attach_parts()
