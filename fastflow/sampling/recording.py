"""Recorded trajectories, and their replay: policies are evaluated on them without a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from fastflow.errors import UserError
from fastflow.integration.losses import relative_l1
from fastflow.sampling.model import FlowModel, LatentsOnly
from fastflow.sampling.reference import Reference, reference_sampler
from fastflow.sampling.request import Problem, Request
from fastflow.sampling.sample import Sample
from fastflow.sampling.sampler import Sampler, in_order


class NoProbe(UserError):
    """Raised if a probe's signals are needed but the recorded model has no probe."""


def check_probe(sampler: Sampler, request: Request) -> None:
    """Raises a `NoProbe` if a sampler's policy needs a probe and its model has none.

    Args:
        sampler: the model and the policy.
        request: any request to the model; it is prepared, and no velocity is computed.
    """
    if not sampler.policy.needs_probe:
        return
    problem, model = sampler.model.prepare(request), sampler.model
    if model.probe(problem.x, problem.grid.model_times[:1], [problem.conditioning]) is None:
        raise NoProbe(
            f"`policy` {type(sampler.policy).__name__} needs a probe, and this model has none: "
            "every step would be computed. Give its transformer one in the hook "
            "`fastflow_probes`, or choose another policy."
        )


@dataclass
class RecordedTrajectory:
    """Holds the velocities of an unskipped trajectory, and its probe signals if there are any.

    Attributes:
        problem: the initial value problem.
        velocities: of each step, ``(1, ...)``.
        has_probe: whether the model has a probe.
        signals: the probe's signal at each step, if signals are kept.
        changes: of each step but the first, ``(2,)``, if there is a probe: the relative L1 change
            of the signal and that of the velocity since the previous step.
    """

    problem: Problem
    velocities: list[Tensor] = field(default_factory=list)
    has_probe: bool = False
    signals: list[Tensor] = field(default_factory=list)
    changes: list[Tensor] = field(default_factory=list)


class Recorder(LatentsOnly):
    """Records every velocity that the model inside returns.

    Args:
        model: the model inside.
        keep_signals: whether to keep the probe's signals and not only their changes; a signal can
            be a hundred times as large as a velocity.
    """

    def __init__(self, model: FlowModel, keep_signals: bool = True):
        super().__init__(model)
        self.keep_signals = keep_signals
        self.trajectories: dict[int, RecordedTrajectory] = {}
        self._last: dict[int, Tensor] = {}  # the signal of the previous step

    def prepare(self, request: Request) -> Problem:
        problem = self.model.prepare(request)
        trajectory = self.trajectories[request.index] = RecordedTrajectory(problem)
        return replace(problem, conditioning=trajectory)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[RecordedTrajectory]) -> Tensor:
        inner = [trajectory.problem.conditioning for trajectory in conditioning]
        v = self.model.velocity(x, t, inner)
        signal = self.model.probe(x, t, inner)
        for i, trajectory in enumerate(conditioning):
            trajectory.velocities.append(v[i : i + 1].clone())
            if signal is not None:
                self._take(trajectory, signal[i : i + 1].clone())
        return v

    def _take(self, trajectory: RecordedTrajectory, signal: Tensor) -> None:
        """Records the probe's signal, after the velocity of the same step."""
        trajectory.has_probe, index = True, trajectory.problem.request.index
        if len(trajectory.velocities) > 1:
            pairs = (
                (signal, self._last[index]),
                (trajectory.velocities[-1], trajectory.velocities[-2]),
            )
            trajectory.changes.append(torch.cat([relative_l1(now, last) for now, last in pairs]))
        self._last[index] = signal
        if self.keep_signals:
            trajectory.signals.append(signal)

    def probe(self, x: Tensor, t: Tensor, conditioning: Sequence[RecordedTrajectory]) -> None:
        """Returns None: signals are recorded in `velocity`."""


class Replay(LatentsOnly):
    """Returns the velocity recorded at each step, whatever x is (teacher forcing)."""

    def __init__(self, model: FlowModel, trajectories: dict[int, RecordedTrajectory]):
        super().__init__(model)
        self.trajectories = trajectories

    def prepare(self, request: Request) -> Problem:
        trajectory = self.trajectories[request.index]
        return replace(trajectory.problem, conditioning=trajectory)

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[RecordedTrajectory]) -> Tensor:
        return torch.cat([c.velocities[_step(c, s)] for c, s in zip(conditioning, t, strict=True)])

    def probe(
        self, x: Tensor, t: Tensor, conditioning: Sequence[RecordedTrajectory]
    ) -> Tensor | None:
        """Returns the recorded signal; None if the model has no probe.

        Raises:
            NoProbe: if the model has one, but its signals were not kept.
        """
        (trajectory,) = conditioning
        if trajectory.has_probe and not trajectory.signals:
            raise NoProbe(
                "the probe's signals were not kept, so nothing that looks at them can be played "
                "back. Record with `keep_signals=True`."
            )
        return trajectory.signals[_step(trajectory, t[0])] if trajectory.signals else None


def _step(trajectory: RecordedTrajectory, t: Tensor) -> int:
    return int((trajectory.problem.grid.model_times - t).abs().argmin())


@dataclass
class Recording:
    """Holds the unskipped trajectories of some requests.

    Attributes:
        requests: the recorded requests.
        trajectories: the recorded trajectories, by the index of the request.
        grams: ``(S, T, T)`` mean products of each trajectory's velocities.
        calls: the network calls that the recording took.
    """

    requests: list[Request]
    trajectories: dict[int, RecordedTrajectory]
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
        """Runs requests without skipping and records them.

        Args:
            model: the loaded model.
            requests: the requests to record.
            max_batch: the largest number of trajectories at a time.
            keep_signals: whether to keep the probe's signals, without which a policy that uses
                them cannot be replayed.

        Raises:
            ValueError: if a trajectory is not finite.
        """
        requests, recorder = list(requests), Recorder(model, keep_signals)
        sampler = reference_sampler(recorder, Reference(gram=True), max_batch)
        samples: list[Sample] = in_order(sampler.generate(requests))
        for sample in samples:
            if sample.failure:
                raise ValueError(
                    f"sample {sample.request.index} cannot be recorded: {sample.failure}."
                )
        grams = np.stack([sample.feedback.gram for sample in samples])  # type: ignore[arg-type]
        return cls(requests, recorder.trajectories, grams, sum(sample.calls for sample in samples))

    def to(self, device: str) -> Recording:
        """Moves the recorded tensors to a device and returns the recording."""
        for trajectory in self.trajectories.values():
            for kept in (trajectory.velocities, trajectory.signals, trajectory.changes):
                kept[:] = [tensor.to(device) for tensor in kept]
        return self

    @classmethod
    def joined(cls, parts: Sequence[Recording]) -> Recording:
        """Returns one recording made of several with the same number of steps."""
        return cls(
            [request for part in parts for request in part.requests],
            {
                index: trajectory
                for part in parts
                for index, trajectory in part.trajectories.items()
            },
            np.concatenate([part.grams for part in parts]),
            sum(part.calls for part in parts),
        )
