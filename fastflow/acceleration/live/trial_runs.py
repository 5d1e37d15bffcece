"""Trials within a pipeline: one call at a time, whose result counts at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from fastflow.acceleration.following.denoising_run import DenoisingRun
from fastflow.acceleration.following.session import Session
from fastflow.integration.episode import Episode
from fastflow.integration.feedback import Feedback, FeedbackSpec
from fastflow.integration.grid import Grid
from fastflow.policies.trials import FollowedPlan, Trial, TrialResult, Trials
from fastflow.sampling.sampler import distance, rms

VELOCITIES = FeedbackSpec(velocities=True)


@dataclass(frozen=True)
class FullRun:
    """Holds a full run.

    Args:
        x: its final latents ``(B, ...)``, on the host.
        feedback: what was observed.
    """

    x: Tensor
    feedback: Feedback


def run_trials(
    trials: Trials,
    run: Callable[[Trial], TrialResult],
    after: Callable[[], None] = lambda: None,
) -> None:
    """Runs the trials one after another.

    Args:
        trials: asks for trials, and learns from each result when it receives it.
        run: runs one.
        after: is called when a result was learned from.
    """
    result: list[TrialResult] | None = None
    while True:
        try:
            asked = next(trials) if result is None else trials.send(result)
        except StopIteration:
            return
        if result is not None:
            after()
        result = [run(asked[0])]


def following(trial: Trial) -> Callable[[Grid], Episode]:
    """Returns what makes the episode of a trial."""
    return lambda grid: FollowedPlan(trial.plan, grid, VELOCITIES)


def reference_of(session: DenoisingRun) -> FullRun:
    """Returns the full run that a session followed to its end."""
    assert session.end is not None
    return FullRun(session.end.x.detach().cpu(), session.end.feedback)


def result_of(session: Session, reference: FullRun) -> TrialResult:
    """Returns the result of a trial that a session followed to its end."""
    ended = reference_of(session)
    error = distance(ended.x, reference.x)
    return TrialResult(error, session.calls, ended.feedback, rms(reference.x))
