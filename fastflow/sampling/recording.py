"""Recorded trajectories that can be played back: policies are tried on them without a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from fastflow.integration.losses import relative_l1
from fastflow.sampling.model import FlowModel, ModelWrapper
from fastflow.sampling.reference import Reference, reference_sampler
from fastflow.sampling.request import Problem, Request
from fastflow.sampling.sample import Sample
from fastflow.sampling.sampler import in_order


class NoProbe(ValueError):
    """Something needs what a probe saw, but the recorded model has none."""


@dataclass
class RecordedTrajectory:
    """A recorded trajectory: step by step the velocity, and what the probe saw if there is one.

    Attributes:
        problem: where it began.
        velocities: ``(1, ...)`` of each step.
        has_probe: whether the model has a probe.
        looks: what the probe saw at each step, if it is kept.
        changes: ``(2,)`` of each step but the first, if there is a probe: the relative L1 changes
            of what it saw and of the velocity since the step before.
    """

    problem: Problem
    velocities: list[Tensor] = field(default_factory=list)
    has_probe: bool = False
    looks: list[Tensor] = field(default_factory=list)
    changes: list[Tensor] = field(default_factory=list)


class Recorder(ModelWrapper):
    """Records every velocity that the model inside gives.

    Args:
        model: the model inside.
        keep_looks: whether what the probe saw is kept, and not only how much it changed; that can
            be a hundred times as large as a velocity.
    """

    def __init__(self, model: FlowModel, keep_signals: bool = True):
        super().__init__(model)
        self.keep_signals = keep_signals
        self.tracks: dict[int, RecordedTrajectory] = {}
        self._last: dict[int, Tensor] = {}  # what the probe saw at the step before

    def prepare(self, request: Request) -> Problem:
        problem = self.model.prepare(request)
        track = self.tracks[request.index] = RecordedTrajectory(problem)
        return replace(problem, conditioning=track)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[RecordedTrajectory]) -> Tensor:
        inner = [track.problem.conditioning for track in conditioning]
        v = self.model.velocity(x, t, inner)
        look = self.model.probe(x, t, inner)
        for i, track in enumerate(conditioning):
            track.velocities.append(v[i : i + 1].clone())
            if look is not None:
                self._take(track, look[i : i + 1].clone())
        return v

    def _take(self, track: RecordedTrajectory, look: Tensor) -> None:
        """Records what the probe saw, after the velocity of the same step."""
        track.has_probe, index = True, track.problem.request.index
        if len(track.velocities) > 1:
            signals = (look, self._last[index]), (track.velocities[-1], track.velocities[-2])
            track.changes.append(torch.cat([relative_l1(now, last) for now, last in signals]))
        self._last[index] = look
        if self.keep_signals:
            track.looks.append(look)

    def decode(self, x: Tensor, problem: Problem) -> None:
        """Decodes nothing: it is the trajectory that is wanted."""

    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[RecordedTrajectory]) -> None:
        """Looks only where it records."""


class Replay(ModelWrapper):
    """Answers each step with the velocity recorded there, whatever x is (teacher forcing)."""

    def __init__(self, model: FlowModel, tracks: dict[int, RecordedTrajectory]):
        super().__init__(model)
        self.tracks = tracks

    def prepare(self, request: Request) -> Problem:
        track = self.tracks[request.index]
        return replace(track.problem, conditioning=track)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[RecordedTrajectory]) -> Tensor:
        return torch.cat([c.velocities[_step(c, s)] for c, s in zip(conditioning, t, strict=True)])

    def probe(
        self, x: Tensor, t: Tensor, conditioning: Sequence[RecordedTrajectory]
    ) -> Tensor | None:
        (track,) = conditioning
        return track.looks[_step(track, t[0])] if track.looks else None

    def decode(self, x: Tensor, problem: Problem) -> None:
        """Decodes nothing."""


def _step(track: RecordedTrajectory, t: Tensor) -> int:
    return int((track.problem.grid.model_times - t).abs().argmin())


@dataclass
class Recording:
    """Full trajectories of some requests.

    Attributes:
        requests: what was asked for.
        tracks: by the requests' indices, what the model answered.
        grams: ``(S, T, T)`` mean products of each trajectory's velocities.
        calls: the network calls that recording took.
    """

    requests: list[Request]
    tracks: dict[int, RecordedTrajectory]
    grams: np.ndarray
    calls: int

    @classmethod
    def make(
        cls,
        model: FlowModel,
        requests: Iterable[Request],
        max_batch: int,
        keep_signals: bool = True,
    ) -> Recording:
        """Runs requests in full and records them.

        Args:
            model: the loaded model.
            requests: what to record.
            max_batch: how many trajectories are under way at once.
            keep_looks: whether what the probe saw is kept; a policy that looks at it can only be
                played back then.

        Raises:
            ValueError: if a trajectory is not finite.
        """
        requests, recorder = list(requests), Recorder(model, keep_signals)
        sampler = reference_sampler(
            recorder, Reference(gram=max(r.steps for r in requests)), max_batch
        )
        samples: list[Sample] = in_order(sampler.generate(requests))
        for sample in samples:
            if sample.failure:
                raise ValueError(
                    f"sample {sample.request.index} cannot be recorded: {sample.failure}."
                )
        grams = np.stack([sample.feedback.gram for sample in samples])  # type: ignore[arg-type]
        return cls(requests, recorder.tracks, grams, sum(sample.calls for sample in samples))

    def to(self, device: str) -> Recording:
        """Moves what was recorded to a device and returns itself."""
        for track in self.tracks.values():
            for signals in (track.velocities, track.looks, track.changes):
                signals[:] = [signal.to(device) for signal in signals]
        return self

    @classmethod
    def joined(cls, parts: Sequence[Recording]) -> Recording:
        """Returns one recording of what several hold, of the same number of steps."""
        return cls(
            [request for part in parts for request in part.requests],
            {index: track for part in parts for index, track in part.tracks.items()},
            np.concatenate([part.grams for part in parts]),
            sum(part.calls for part in parts),
        )
