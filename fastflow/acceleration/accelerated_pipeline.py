"""A diffusers pipeline that skips steps: what is intercepted of it, and how it is followed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastflow.acceleration.accelerator import Accelerator, Follower
from fastflow.acceleration.attached_parts import AttachedParts
from fastflow.acceleration.following import Call, DenoisingRun, FirstStep, Session, reasons
from fastflow.acceleration.interception import interceptors_of, own_class
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
from fastflow.acceleration.pipeline_parts import PipelineParts
from fastflow.acceleration.probes import probe
from fastflow.acceleration.seen import (
    Caller,
    RunBegin,
    RunShapes,
    SchedulerStep,
    callback_codes,
    callbacks_of,
    direction,
    hidden_state,
    leaves,
    settings,
    takes_gradients,
)
from fastflow.integration.grid import Grid
from fastflow.policies.targets import resolved
from fastflow.policies.trials import Trial, TrialResult


class AcceleratedPipeline(Accelerator):
    """A diffusers pipeline that skips steps.

    Attributes:
        pipe: the pipeline.
    """

    def __init__(self, pipe: Any, *settings: Any):
        super().__init__(pipe, *settings)
        self.pipe = pipe
        self._attached = AttachedParts(pipe, self)
        self._shapes = RunShapes()
        self._not_euler: Any = None  # a scheduler whose later steps were not Euler's
        self.stats.notes = self._parts.caches()

    @property
    def _parts(self) -> PipelineParts:
        return self._attached.now

    def _detach(self) -> None:
        self._attached.detach(self)
        for call in self._calls:
            call.stop(reasons.DISABLED)

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        """Answers a call of the pipeline, of its scheduler or of one of its networks."""
        if thing is self.pipe:
            return self._run_pipeline(plain, args, kwargs)
        call = self._call
        if call is None or not call.caller.is_pipeline(thing):
            if call is None:
                self._see_elsewhere(thing, name)
            return plain(*args, **kwargs)
        if name == "step" and thing is not self._parts.scheduler:
            call.stop(reasons.OTHER_SCHEDULER)
            return plain(*args, **kwargs)
        if name == "set_timesteps":
            call.end_run()
            return plain(*args, **kwargs)
        if self._parts.were_replaced(self.pipe):
            call.stop(reasons.REPLACED)
        if name == "step":
            return self._step(call, SchedulerStep(thing, plain, args, kwargs))
        return self._call_network(call, thing, plain, args, kwargs)

    def _call_network(
        self, call: Call, network: Any, plain: Callable, args: tuple, kwargs: dict
    ) -> Any:
        """Answers a call of a network by the pipeline."""
        inputs = leaves(args, kwargs)
        if torch.is_grad_enabled() and takes_gradients(network, inputs):
            call.stop(reasons.GRADIENTS)
        run = call.run_of_network()
        if not run.turn:
            inputs |= settings(self.pipe)
            if call.caller.callbacks:
                inputs |= hidden_state(network, inputs)
            if not run.taken:
                self._attached.watch_others(call.caller.values())
        return run.call(
            network,
            counts=self._parts.counts(network),
            ask=lambda: plain(*args, **kwargs),
            probe=lambda: self._probe(network, args, kwargs),
            inputs=inputs,
        )

    def _probe(self, network: Any, args: tuple, kwargs: dict) -> Any:
        signal = probe(network, args, kwargs)
        if signal is None and self.policy.needs_probe:
            self.stats.reason = reasons.NO_PROBE.format(own_class(network).__name__)
        return signal

    def _see_elsewhere(self, thing: Any, name: str) -> None:
        """Notes what the pipeline does, but not within a call of it in this thread."""
        call = self._calls[-1] if self._calls else None
        seen = Caller(self.pipe, call.caller.callbacks if call else frozenset())
        if name == "set_timesteps" or not seen.is_pipeline(thing):
            return
        if call is None:
            self.stats.trouble = reasons.OUTSIDE
            return
        call.stop(reasons.OTHER_THREAD)
        if name == "__call__":
            call.elsewhere.append(self._parts.counts(thing))

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
            self._attached.renew()
            callbacks = callbacks_of(self.pipe, plain, args, kwargs)
            call = Call(Caller(self.pipe, callback_codes(callbacks)))
            try:
                if self._follow is not None:
                    return self._run(lambda: plain(*args, **kwargs), call)
                self.stats.notes = self._parts.caches()
                repeatable = Repeatable(plain, args, kwargs)
                output = self._run(lambda: self._whole(call, plain, args, kwargs), call)
                if not call.ended:
                    self.stats.trouble = self.stats.reason = call.reason or reasons.NO_RUN
                elif not callbacks and not self.stats.trouble:
                    self._audit(repeatable)
                self._ended = []
                return output
            finally:
                call.caller.forget()
                if not self._calls:
                    self._attached.release_others()

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
        run = Call(Caller(self.pipe))
        return result_of(self.watch(lambda: self._run(call.again, run), following(trial)), full)

    def _step(self, call: Call, step: SchedulerStep) -> Any:
        """Takes one step of the scheduler and returns what the scheduler returns."""
        run = call.run = call.run_of_step()
        if not step.is_usual:
            call.stop(reasons.UNUSUAL_STEP)
            if isinstance(run, FirstStep):
                run = call.run = run.becomes(DenoisingRun(call.reason))
            run.advance(step.x, step.v, step.pass_on)
        elif isinstance(run, FirstStep):
            self._begin_run(call, run, step)
        elif isinstance(run, Session) and run.is_second:
            run.advance(step.x, step.v, lambda x, v: self._check(run, step, x, v))
        else:
            run.advance(step.x, step.v, step.take)
        return step.output

    def _check(self, run: Session, step: SchedulerStep, x: Tensor, v: Tensor) -> Tensor:
        """Takes the second computed step, and looks whether it is Euler's, as the first was."""
        before, (a, b) = (x.clone(), v.clone()), run.grid.sigma[run.taken : run.taken + 2]
        x_next = step.take(x, v)
        if direction(*before, x_next, b - a) != run.sign:
            self._not_euler = self._parts.scheduler
            self._calls[-1].stop(reasons.NOT_EULER)
        return x_next

    def _begin_run(self, call: Call, first: FirstStep, step: SchedulerStep) -> None:
        """Takes the first step of a run, which shows where the run begins and what a step does."""
        begin = RunBegin.taken(step, first.turn, self._parts.place)
        if why := call.reason or begin.why_not():
            call.run = first.becomes(DenoisingRun(why))
        else:
            call.run = self._follow_run(begin).begun(first)
        call.run.advance(begin.x, begin.v, lambda x, v: begin.x_next)

    def _follow_run(self, begin: RunBegin) -> Session:
        """Returns the session of a run."""
        shape, sigmas = self._shapes.of(begin.sigma), begin.falling
        jumps = shape.jumps | self._parts.jumps(self.pipe, len(begin.sigma) - 1)
        steps = min(shape.steps or len(sigmas) - 1, len(sigmas) - 1)
        grid = Grid(sigmas[: steps + 1], jumps=frozenset(k for k in jumps if k < steps))
        is_euler = self._parts.takes_euler_steps and self._parts.scheduler is not self._not_euler
        sign = begin.direction() if is_euler else 0
        found = begin.notes(type(self._parts.scheduler).__name__, sign)
        self.stats.notes += [note for note in found if note not in self.stats.notes]
        session = self._begin(grid, sign != 0, sign or 1)
        session.sigma, session.place = begin.sigma, begin.place
        session.is_corrected, session.writes = sign != 0, begin.writes_v
        session.repeats = False if begin.writes_v else None  # that may write into stored outputs
        return session

    def _learned_grid(self, run: DenoisingRun, call: Call) -> Grid | None:
        if not isinstance(run, Session):
            return None
        if not (run.reason or call.was_interrupted):
            self._shapes.keep(run.sigma, run.taken, frozenset(run.late_jumps))
        late = run.late_jumps - run.grid.jumps
        if late and run.skipped:
            self.stats.notes.append(reasons.LATE.format(" ".join(map(str, sorted(late)))))
        if late and len(run.computed) == run.grid.steps:
            return Grid(run.grid.sigmas, jumps=run.grid.jumps | late)
        return run.grid

    def scheduler_was_copied(self) -> None:
        """Gives a call up that takes steps with a copy: they are not seen."""
        if self._call is not None and self._call.caller.is_pipeline(self._parts.scheduler):
            self._call.stop(reasons.COPIED_SCHEDULER)
