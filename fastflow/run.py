"""The main job: prompts in, a run directory out."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fastflow.config import Config, build, load, plain, save, settings
from fastflow.corrector import Corrector, NoCorrection
from fastflow.directory import RunDirectory, versions, writing
from fastflow.extrapolator import Extrapolator, Reuse
from fastflow.grid import Grid
from fastflow.memory import Memory
from fastflow.metric import Metric
from fastflow.model import Adapter
from fastflow.observer import Observer, Watch
from fastflow.policy import Episode, Policy, Unskipped
from fastflow.records import Request, Sample
from fastflow.report import write_report
from fastflow.requests import make_requests
from fastflow.sampler import Sampler
from fastflow.settings import Settings
from fastflow.summary import headline, summarise
from fastflow.trainer import Interrupted, Place, Trainer

FEW_STEPS = 8
WATCHED = 8
MAIN = "FASTFLOW_RUN_DIR"  # tells the other processes of a run where it is


@dataclass(frozen=True, kw_only=True)
class Full(Policy):
    """Computes every step, and measures how much the velocity changes from step to step."""

    watch: bool

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        episode = Unskipped()
        episode.loss, episode.learns = "relative_l1", self.watch
        return episode


@dataclass
class Job:
    """One run: its components, and what it still has to do."""

    config: dict[str, Any]
    settings: Settings
    adapter: Adapter
    policy: Policy
    extrapolator: Extrapolator
    corrector: Corrector
    metrics: list[Metric]
    observers: list[Observer]
    directory: RunDirectory

    def work(self, place: Place) -> Iterator[int]:
        """Does everything, in one of the run's processes; yields finished samples' numbers."""
        model = self.adapter.load(place.device, place.dtype)
        sampler = Sampler(
            model,
            self.policy,
            self.extrapolator,
            self.corrector,
            seed=self.settings.seed,
            max_batch=self.settings.max_batch,
        )
        left_out = [line for metric in self.metrics if (line := metric.unavailable())]
        metrics = [metric for metric in self.metrics if not metric.unavailable()]
        requests = make_requests(self.settings, self.adapter)
        rounds = Rounds(sampler, self.settings, self.directory, requests)
        with ExitStack() as stack:
            watches = [
                stack.enter_context(observer.open(self.directory.path, self.config))
                for observer in (self.observers if place.rank == 0 else [])
            ]
            if rounds.left:
                warm_up(sampler, rounds.left[0])
            for batch in rounds:
                results = Results(sampler, metrics, watches if place.size == 1 else [])
                mine = results.take(place.share(batch), self.settings.reference)
                everyone = [result for part in place.gather(mine) for result in part]
                if place.size > 1 and place.rank == 0:
                    for result in everyone:
                        result.show(watches)
                rounds.learn([result.sample for result in everyone])
                if place.rank == 0:
                    rounds.save()
                yield len(everyone)
            if place.rank == 0:
                rounds.save()
                self.finish(place, sampler, watches, left_out)

    def finish(
        self, place: Place, sampler: Sampler, watches: list[Watch], left_out: list[str]
    ) -> None:
        """Writes summary.json, versions.json and the report."""
        names = self.config["names"]
        summary = summarise(self.directory.rows())
        summary |= {"steps": self.settings.steps, "left_out": left_out}
        summary |= {kind: names[kind] for kind in ("model", "policy", "extrapolator", "corrector")}
        summary["warnings"] = warnings(sampler, self.settings.steps, summary)
        self.directory.write_json("summary.json", summary)
        self.directory.write_json("versions.json", versions(place.device))
        for watch in watches:
            watch.summary(summary, self.directory.path)
        with writing(self.directory.path / "report.html"):
            write_report(self.directory.path)
        print(f"\n{headline(summary)}")


class Rounds:
    """Goes through the samples a round at a time, and learns after each round.

    What earlier rounds taught is read back from the run's records. So a resumed run has the memory
    that the unbroken one had, and ends as it would have.
    """

    def __init__(
        self,
        sampler: Sampler,
        plan: Settings,
        directory: RunDirectory,
        requests: Sequence[Request],
    ):
        self.sampler, self.plan, self.directory, self.requests = sampler, plan, directory, requests
        self.done = {row["index"] for row in directory.rows()}
        self.kept = directory.lessons()
        self.round: Sequence[Request] = ()
        sampler.memory = self._memory()

    @property
    def left(self) -> list[Request]:
        """The requests that are not done."""
        return [r for r in self.requests if r.index not in self.done]

    def __iter__(self) -> Iterator[list[Request]]:
        start = 0
        while start < len(self.requests):
            size = self.sampler.round_size(self.plan.steps) or 4 * self.plan.max_batch
            self.round = self.requests[start : start + size]
            start += size
            left = [r for r in self.round if r.index not in self.done]
            if left:
                yield left
            else:
                self.learn([])

    def learn(self, samples: Sequence[Sample]) -> None:
        """Takes the round's lessons in, in the order of its samples."""
        lessons = self.kept | {s.request.index: list(s.observations) for s in samples}
        self.sampler.learn([lessons.get(r.index, []) for r in self.round])

    def save(self) -> None:
        """Writes memory.json."""
        if self.sampler.memory is not None:
            self.directory.write_json("memory.json", self.sampler.memory.to_dict())

    def _memory(self) -> Memory:
        memory = self.sampler.empty_memory(self.plan.steps)
        if self.plan.memory is not None:
            memory.load(self.plan.memory)
        memory.frozen = self.plan.frozen
        self.sampler.policy.begin(self.sampler.model.grid(self.plan.steps), memory)  # does it fit?
        return memory


@dataclass
class Result:
    """One finished sample beside its full run."""

    sample: Sample
    full: Sample | None
    row: dict[str, Any]
    rewards: list[float | None]

    def show(self, watches: Sequence[Watch]) -> None:
        """Tells the observers."""
        for watch in watches:
            watch.sample(self.sample, self.full, self.row, self.rewards)


@dataclass
class Results:
    """Generates a process's share of a round, each sample also in full."""

    sampler: Sampler
    metrics: list[Metric]
    watches: list[Watch]

    def take(self, requests: list[Request], reference: bool) -> list[Result]:
        """Generates and measures; observers of a single process see each sample at once."""
        full = self._full(requests) if reference else {}
        results = []
        for sample in self.sampler.generate(requests):
            result = self._result(sample, full.get(sample.request.index))
            result.show(self.watches)
            results.append(result)
        return results

    def _full(self, requests: list[Request]) -> dict[int, Sample]:
        found = {}
        for watch in (True, False):
            part = [r for r in requests if (r.index < WATCHED) == watch]
            plain = replace(
                self.sampler,
                policy=Full(watch=watch),
                extrapolator=Reuse(),
                corrector=NoCorrection(),
                memory=Memory(),
            )
            found |= {sample.request.index: sample for sample in plain.generate(part)}
        return found

    def _result(self, sample: Sample, full: Sample | None) -> Result:
        request, memory = sample.request, self.sampler.memory or Memory()
        branches = self.sampler.model.calls_per_velocity
        measured: dict[str, float] = {}
        measured_full: dict[str, float] = {}
        for metric in self.metrics:
            if sample.output is not None:
                measured |= metric.score(sample.output, request)
            if full is not None and full.output is not None:
                measured_full |= metric.score(full.output, request)
                if sample.output is not None:
                    measured |= metric.compare(sample.output, full.output)
        name = f"images/{request.index:04d}"
        row = {
            "index": request.index,
            "prompt": request.prompt,
            "task": request.task,
            "seed": request.seed,
            "calls": sample.calls,
            "calls_full": request.steps * branches if full is None else full.calls,
            "computed": list(sample.computed),
            "seconds": asdict(sample.seconds),
            "seconds_full": asdict(full.seconds) if full else None,
            "metrics": _finite(measured),
            "metrics_full": _finite(measured_full) if full else None,
            "image": f"{name}.png" if sample.output is not None else None,
            "image_full": f"{name}_full.png" if full and full.output is not None else None,
            "failure": sample.failure,
            "velocity_change": _changes(full),
        }
        rewards = self.sampler.policy.rewards(memory, sample.observations)
        return Result(sample, full, row, rewards)


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: an infinite PSNR (identical images) becomes null."""
    return {name: v if math.isfinite(v) else None for name, v in values.items()}


def _changes(full: Sample | None) -> list[float] | None:
    """Returns the relative L1 change of consecutive velocities, where they were watched."""
    changes = [o.error for o in full.observations] if full else []
    return changes or None


def warm_up(sampler: Sampler, request: Request) -> None:
    """Runs two steps of a batch unmeasured, so that first-call costs fall on nobody's time."""
    plain = replace(sampler, policy=Full(watch=False), memory=Memory())
    batch = [replace(request, steps=2) for _ in range(sampler.max_batch)]
    for _ in plain.generate(batch):
        pass


def warnings(sampler: Sampler, steps: int, summary: dict[str, Any]) -> list[str]:
    """Returns what a user should know about the run."""
    found = []
    if steps <= FEW_STEPS:
        found.append(
            f"{steps} steps leave little to skip: the first and the last are always "
            "computed, and consecutive velocities differ much. Expect small gains and visible "
            "changes."
        )
    corrector, extrapolator = sampler.corrector, sampler.extrapolator
    if corrector.depth and corrector.degree < extrapolator.degree:
        found.append(
            f"{corrector} is exact to degree {corrector.degree}, {extrapolator} to degree "
            f"{extrapolator.degree}: such a correction can make the result worse. "
            f"Use corrector.order={extrapolator.degree} or more."
        )
    if summary["failed"]:
        found.append(f"{summary['failed']} samples failed (samples.jsonl says why).")
    return found


def run(config: Config) -> Path:
    """Runs a composed configuration and returns the run directory.

    Raises:
        ValueError: for anything wrong with the configuration, before anything is computed.
        DiskFull: if the disk fills; everything finished before is kept.
        Interrupted: on Ctrl-C, likewise.
    """
    plan = settings(config)
    if plan.resume is not None:
        directory = RunDirectory.existing(Path(plan.resume))
        config = load(directory.path / "config.yaml")
        plan = settings(config)
    else:
        directory = None
    kinds = {"adapter": "model"} | {k: k for k in ("policy", "extrapolator", "corrector")}
    parts = {name: build(config[kind]) for name, kind in kinds.items()}
    metrics = [build(config.metric[name]) for name in plan.metrics]
    observers = [build(config.observer[name]) for name in plan.observers]
    trainer: Trainer = build(config.trainer)
    requests = make_requests(plan, parts["adapter"])
    directory = directory or _new_directory(plan, config)
    job = Job(
        plain(config), plan, **parts, metrics=metrics, observers=observers, directory=directory
    )
    try:
        trainer.run(job.work, len(requests))
    except ValueError:
        directory.discard_if_empty()
        raise
    except (KeyboardInterrupt, Interrupted) as error:
        raise Interrupted(
            f"Finished samples are kept; go on with: fastflow sample resume={directory.path}"
        ) from error
    finally:
        os.environ.pop(MAIN, None)
    return directory.path


def _new_directory(plan: Settings, config: Config) -> RunDirectory:
    """Makes the run directory, or finds the one that the main process has made."""
    if made := os.environ.get(MAIN):
        return RunDirectory(Path(made))
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{config.names.model}-{config.names.policy}"
    directory = RunDirectory.create(Path(plan.out or Path("runs") / name))
    with writing(directory.path / "config.yaml"):
        save(config, directory.path / "config.yaml")
    os.environ[MAIN] = str(directory.path.resolve())
    return directory
