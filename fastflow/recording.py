"""Recorded trajectories that can be played back: policies are tried on them without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from fastflow.full import Full, in_full
from fastflow.model import FlowModel
from fastflow.records import Problem, Request, Sample
from fastflow.sampler import in_order
from fastflow.wrapped import Wrapped


@dataclass
class Track:
    """A recorded trajectory: step by step the velocity, and what the probe saw if there is one."""

    problem: Problem
    velocities: list[Tensor] = field(default_factory=list)
    looks: list[Tensor] = field(default_factory=list)


class Recorder(Wrapped):
    """Records every velocity that the model inside gives."""

    def __init__(self, model: FlowModel):
        super().__init__(model)
        self.tracks: dict[int, Track] = {}

    def prepare(self, request: Request) -> Problem:
        problem = self.model.prepare(request)
        track = self.tracks[request.index] = Track(problem)
        return replace(problem, conditioning=track)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Track]) -> Tensor:
        inner = [track.problem.conditioning for track in conditioning]
        v = self.model.velocity(x, t, inner)
        look = self.model.probe(x, t, inner)
        for i, track in enumerate(conditioning):
            track.velocities.append(v[i : i + 1].clone())
            if look is not None:
                track.looks.append(look[i : i + 1].clone())
        return v

    def decode(self, x: Tensor, problem: Problem) -> None:
        """Decodes nothing: it is the trajectory that is wanted."""

    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[Track]) -> None:
        """Looks only where it records."""


class Replay(Wrapped):
    """Answers each step with the velocity recorded there, whatever x is (teacher forcing)."""

    def __init__(self, model: FlowModel, tracks: dict[int, Track]):
        super().__init__(model)
        self.tracks = tracks

    def prepare(self, request: Request) -> Problem:
        track = self.tracks[request.index]
        return replace(track.problem, conditioning=track)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Track]) -> Tensor:
        return torch.cat([c.velocities[_step(c, s)] for c, s in zip(conditioning, t, strict=True)])

    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[Track]) -> Tensor | None:
        (track,) = conditioning
        return track.looks[_step(track, t[0])] if track.looks else None

    def decode(self, x: Tensor, problem: Problem) -> None:
        """Decodes nothing."""


def _step(track: Track, t: Tensor) -> int:
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
    tracks: dict[int, Track]
    grams: np.ndarray
    calls: int

    @classmethod
    def make(
        cls,
        model: FlowModel,
        requests: Iterable[Request],
        max_batch: int,
        watch: Callable[[Sample], object] = lambda sample: None,
    ) -> Recording:
        """Runs requests in full and records them; shows each finished one to ``watch``."""
        requests, recorder = list(requests), Recorder(model)
        sampler = in_full(recorder, Full(gram=max(r.steps for r in requests)), max_batch)
        samples = []
        for sample in sampler.generate(requests):
            samples.append(sample)
            watch(sample)
        samples = in_order(samples)
        grams = np.stack([sample.lesson.gram for sample in samples])  # type: ignore[arg-type]
        return cls(requests, recorder.tracks, grams, sum(sample.calls for sample in samples))
