"""Whether a plan does live what the recorded velocities predict, and what replaces it if not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import torch

from fastflow.evaluation.method import Bench, Learned, Method
from fastflow.sampling.reference import reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample

OFF = 3.0  # times as large as predicted is a live error that a plan is not trusted with
ROUNDING = 8.0  # units in the last place of the latents; smaller errors are rounding

Ends = dict[int, Sample]  # full runs by the request's index


@dataclass(frozen=True)
class Forecast:
    """The error of a schedule as recorded velocities predict it, and live.

    Both are root mean square distances of the final latents from those of the full run.

    Args:
        predicted: with the velocities of the full runs (teacher forcing), mean over the tuning
            samples.
        predicted_tried: the same, mean over those that were tried live; None if none was.
        live: with the network, mean over the same.
        rounding: an error that rounding alone explains.
    """

    predicted: float
    predicted_tried: float | None = None
    live: float | None = None
    rounding: float = 0.0

    @property
    def is_off(self) -> bool:
        """Whether the live error is `OFF` times the predicted one or more, beyond rounding."""
        if self.live is None or self.predicted_tried is None:
            return False
        return self.live > max(OFF * self.predicted_tried, self.rounding)

    def facts(self) -> dict[str, float]:
        """Returns the numbers for the table."""
        numbers = {
            "predicted_rms": self.predicted,
            "tuning_predicted_rms": self.predicted_tried,
            "tuning_live_rms": self.live,
        }
        return {name: number for name, number in numbers.items() if number is not None}


@dataclass(frozen=True)
class TunedMethod:
    """A method that is ready to be measured, and what its trial on tuning samples showed.

    Args:
        method: the method to measure.
        learned: what it learned.
        mark: why it is another method than asked for; empty if it is not.
        note: what the trial showed; empty if nothing worth a line.
    """

    method: Method
    learned: Learned
    mark: str = ""
    note: str = ""


def tried(method: Method, bench: Bench, learned: Learned, live: Sequence[Request]) -> TunedMethod:
    """Tries a learned schedule on tuning samples, and replaces it if it is worse than none.

    A schedule whose live error is `OFF` times what the recorded velocities predict or more is not
    what it was chosen for. It is then tried against the method's `fallback`, which learns nothing,
    and whichever is nearer live is measured. So a plan that does less well than predicted but
    better than even spacing stays, and says so.

    Args:
        method: the method, its knob set.
        bench: the model and the tuning recordings.
        learned: what the method learned.
        live: tuning samples to run with the network, best those that nothing was learned from.
    """
    found = forecast(method, bench, learned, live)
    if found is None:
        return TunedMethod(method, learned)
    learned = replace(learned, facts=learned.facts | found.facts())
    if not found.is_off:
        return TunedMethod(method, learned)
    told = (
        f"its live error on {len(live)} tuning samples, RMS {found.live:.2g}, is "
        f"{(found.live or 0.0) / max(found.predicted_tried or 0.0, 1e-12):.1f} times its "
        "prediction"
    )
    other = method.fallback()
    if other is None:
        return TunedMethod(method, learned, note=told)
    rest = other.learn(bench, bench.tuning.requests)
    error = live_error(other, bench, rest, live, full_runs(bench, live))
    if error is None or error >= (found.live or 0.0):
        return TunedMethod(method, learned, note=f"{told}; the fallback is no nearer, so it stays")
    costs = replace(rest, samples=learned.samples, calls=learned.calls, facts=learned.facts)
    return TunedMethod(other, costs, f"fell back to {shown(other)} (RMS {error:.2g}): {told}")


def shown(method: Method) -> str:
    """Returns the name of a method's policy, or of the method if it has none."""
    return type(getattr(method, "policy", method)).__name__


def forecast(
    method: Method, bench: Bench, learned: Learned, live: Sequence[Request]
) -> Forecast | None:
    """Returns the predicted error of a schedule, and of a learned one the live error as well.

    None for a method whose steps are not the same for every sample, or cannot be replayed.
    """
    if not method.replays:
        return None
    requests, replay = bench.tuning.requests, bench.replayed()
    ends = full_runs(replay, requests)
    samples = list(method.generate(replay, requests, learned))
    errors = distances(samples, ends)
    if len({sample.computed for sample in samples}) != 1 or len(errors) < len(samples):
        return None
    predicted = fmean(errors.values())
    known = [request for request in live if request.index in errors]
    if not learned.samples or not known:
        return Forecast(predicted)
    runs = list(method.generate(bench, known, learned))
    lived = distances(runs, ends)
    if {run.computed for run in runs} != {samples[0].computed} or len(lived) < len(known):
        return None  # it decides anew for each sample
    return Forecast(
        predicted,
        fmean(errors[request.index] for request in known),
        fmean(lived.values()),
        max(rounding(ends[request.index]) for request in known),
    )


def live_error(
    method: Method, bench: Bench, learned: Learned, live: Sequence[Request], ends: Ends
) -> float | None:
    """Returns the mean RMS distance of live runs from the full ones; None if a run failed."""
    errors = distances(list(method.generate(bench, live, learned)), ends)
    return fmean(errors.values()) if len(errors) == len(live) else None


def full_runs(bench: Bench, requests: Sequence[Request]) -> Ends:
    """Returns the full runs of tuning samples, from their recorded velocities."""
    sampler = reference_sampler(bench.replayed().model, max_batch=bench.max_batch)
    return {sample.request.index: sample for sample in sampler.generate(requests)}


def distances(samples: Sequence[Sample], ends: Ends) -> dict[int, float]:
    """Returns the RMS distance of each sample's final latents from those of its full run."""
    found = {}
    for sample in samples:
        x, end = sample.x, ends[sample.request.index].x
        if x is not None and end is not None:
            found[sample.request.index] = float((x.float() - end.float()).square().mean().sqrt())
    return found


def rounding(sample: Sample) -> float:
    """Returns an error of the final latents that rounding alone may explain."""
    if sample.x is None:
        return 0.0
    size = float(sample.x.float().square().mean().sqrt())
    return ROUNDING * torch.finfo(sample.x.dtype).eps * size
