"""`fastflow sample`: from a configuration to a run directory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fastflow.evaluation.measurement import Measurement
from fastflow.evaluation.metric import Metric
from fastflow.evaluation.observer import Observer, ObserverSession
from fastflow.evaluation.summary import add_learning, summarise
from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.grid import Grid, few_steps
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.policies.targets import aimed, resolved
from fastflow.registry.compose import (
    Config,
    build,
    build_chosen,
    build_listed,
    load,
    save,
    settings_of,
)
from fastflow.registry.hooks import KINDS
from fastflow.report import write_report
from fastflow.runs.directory import RunDirectory, check_resumable, versions
from fastflow.runs.measured import measured_samples
from fastflow.runs.prompts import make_requests
from fastflow.runs.run_settings import RunSettings
from fastflow.runs.updates import Updates
from fastflow.sampling.executor import Executor, Interrupted, ProcessLost, Worker
from fastflow.sampling.model import Model
from fastflow.sampling.recording import check_probe
from fastflow.sampling.reference import warm_up
from fastflow.sampling.request import Request
from fastflow.sampling.sampler import Sampler
from fastflow.sampling.storage import command_line, writing


@dataclass
class RunJob:
    """One run: its settings, requests and components."""

    config: Config
    settings: RunSettings
    path: Path
    requests: Sequence[Request]
    model: Model
    policy: Policy
    extrapolator: Extrapolator
    corrector: Corrector
    metrics: list[Metric]
    observers: list[Observer]
    directory: RunDirectory = field(init=False)

    def __post_init__(self):
        self.directory = RunDirectory(self.path)

    def work(self, worker: Worker) -> Iterator[int]:
        """Does the work of one process; yields the number of samples finished in each batch."""
        self.directory = RunDirectory(worker.from_first(self._open))
        try:
            yield from self._work(worker)
        except ValueError:
            if worker.rank == 0 and self.settings.resume is None:
                self.directory.discard_if_empty()
            raise

    def _open(self) -> Path:
        """Creates the run directory, or opens the one to resume; only in the first process."""
        if self.settings.resume is not None:
            return RunDirectory.existing(self.path).path
        directory = RunDirectory.create(self.path)
        with writing(self.path / "config.yaml"):
            save(self.config, self.path / "config.yaml")
        return directory.path

    def _work(self, worker: Worker) -> Iterator[int]:
        sampler = self._sampler(worker)
        reasons = [metric.unavailable() for metric in self.metrics]
        usable = [m for m, reason in zip(self.metrics, reasons, strict=True) if not reason]
        measurement = Measurement(usable)
        updates = Updates(sampler, self.settings, self.directory, self.requests, worker)
        if updates.left:
            check_probe(sampler, updates.left[0])
            if worker.rank == 0 and (text := _nothing_to_use(sampler.memory)):
                tqdm.write(f"fastflow sample: {text}", file=sys.stderr)
            warm_up(sampler.model, updates.left[0], min(sampler.max_batch, len(updates.left)))
        with ExitStack() as stack:
            sessions = self._sessions(stack) if worker.rank == 0 else []
            for batch in updates:
                own = []
                share = worker.share(batch)
                for one in measured_samples(sampler, share, measurement, self.settings.reference):
                    if worker.size == 1:
                        one.show(sessions)
                    own.append(one)
                everyone = [one for part in worker.gather(own) for one in part]
                if worker.size > 1:
                    for one in everyone:
                        one.show(sessions)
                updates.learn([one.sample for one in everyone])
                if worker.rank == 0:
                    updates.save()
                yield len(everyone)
            if worker.rank == 0:
                updates.save()
                self._finish(worker, sampler, sessions, [r for r in reasons if r])

    def _sampler(self, worker: Worker) -> Sampler:
        return Sampler(
            self.model.load(worker.device, worker.dtype),
            self.policy,
            self.extrapolator,
            self.corrector,
            seed=self.settings.seed,
            max_batch=self.settings.max_batch,
        )

    def _sessions(self, stack: ExitStack) -> list[ObserverSession]:
        """Opens the run's files and its observers."""
        path, config = self.directory.path, self.config
        opened = (stack.enter_context(observer.open(path, config)) for observer in self.observers)
        return [stack.enter_context(self.directory.writer()), *opened]

    def _finish(
        self,
        worker: Worker,
        sampler: Sampler,
        sessions: Sequence[ObserverSession],
        left_out: Sequence[str],
    ) -> None:
        """Writes summary.json, versions.json and the report."""
        names, path = self.config["names"], self.directory.path
        summary = summarise(self.directory.rows()) | self.directory.official()
        add_learning(summary, getattr(sampler.memory, "learning_calls", 0))
        summary |= {"steps": self.settings.steps, "left_out": list(left_out)}
        summary |= {kind: names[kind] for kind in ("model", "policy", "extrapolator", "corrector")}
        summary["warnings"] = warnings(sampler, self.settings.steps, summary)
        self.directory.write_json("summary.json", summary)
        self.directory.write_json("versions.json", versions(worker.device))
        for session in sessions:
            session.summary(summary, path)
        with writing(path / "report.html"):
            write_report(path)


def warnings(sampler: Sampler, steps: int, summary: dict[str, Any]) -> list[str]:
    """Returns warnings about the run's settings and results."""
    texts = []
    if text := few_steps(steps):
        texts.append(text)
    corrector, extrapolator = sampler.corrector, sampler.extrapolator
    if corrector.depth and corrector.degree < extrapolator.degree:
        texts.append(
            f"{corrector} is exact to degree {corrector.degree}, {extrapolator} to degree "
            f"{extrapolator.degree}: such a correction can make the result worse. "
            f"Use corrector.order={extrapolator.degree} or more."
        )
    if text := _still_learning(sampler, steps):
        texts.append(text)
    if summary["failed"]:
        texts.append(f"{summary['failed']} samples failed (the reasons are in samples.jsonl).")
    return texts


def _nothing_to_use(memory: Memory | None) -> str:
    """Returns a warning if the policy uses what it learns, and neither has nor may learn any."""
    if memory is None or memory.key is None or memory.samples or not memory.frozen:
        return ""
    return "`frozen` is true and `memory` holds nothing: nothing that was learned can be used."


def _still_learning(sampler: Sampler, steps: int) -> str:
    """Returns a warning if the policy has seen too few samples to skip any step of them."""
    policy, memory = resolved(sampler.policy, sampler.model.grid(steps)), sampler.memory
    first = getattr(policy, "warmup_samples", 0)
    if memory is None or not first or memory.samples > first:
        return ""
    if memory.frozen and memory.samples:
        return ""
    seen = "holds nothing and is frozen" if memory.frozen else f"has seen {memory.samples}"
    return (
        f"nothing was skipped: the policy learns from the first {first} samples, computed in "
        f"full, and its memory {seen}. Ask for more than {first} samples, or start from the "
        "memory of an earlier run."
    )


def run(config: Config) -> Path:
    """Runs a composed configuration and returns the run directory.

    Raises:
        ValueError: if the configuration is wrong, before anything is computed.
        DiskFull: if the disk is full; finished samples are kept.
        Interrupted: on Ctrl-C or SIGTERM, or if a process was lost; finished samples are kept.
    """
    settings = settings_of(config, RunSettings)
    if settings.resume is not None:
        path, resume = Path(settings.resume), settings.resume
        check_resumable(path)
        config = load(path / "config.yaml", RunSettings, KINDS)
        settings = replace(settings_of(config, RunSettings), resume=resume)
    else:
        path = Path(settings.out or _default_out(config))
    policy = aimed_policy(config, settings)
    model: Model = build("model", config["model"])
    job = RunJob(
        config,
        settings,
        path,
        make_requests(settings, model, build_chosen(config, "benchmark")),
        model,
        policy=policy,
        extrapolator=build("extrapolator", config["extrapolator"]),
        corrector=build("corrector", config["corrector"]),
        metrics=list(build_listed(config, "metrics").values()),
        observers=list(build_listed(config, "observers").values()),
    )
    executor: Executor = build("executor", config["executor"])
    try:
        executor.run(job.work, len(job.requests))
    except (KeyboardInterrupt, ProcessLost) as error:
        raise Interrupted.by(error, _how_to_resume(job.path)) from error
    except (OSError, RuntimeError, MemoryError) as error:
        error.add_note(_how_to_resume(job.path))
        raise
    return job.path


def _how_to_resume(path: Path) -> str:
    if not (path / "config.yaml").is_file():
        return "Nothing was begun yet."
    return "Finished samples are kept; resume with: " + command_line("sample", f"resume={path}")


def aimed_policy(config: Config, settings: RunSettings) -> Policy:
    """Returns the policy with the target of the settings, which the configuration then states.

    Raises:
        ValueError: if the policy has no parameter for the target, or it cannot be had with so
            many steps.
    """
    policy: Policy = build("policy", config["policy"])
    target = settings.target()
    if target is None:
        return policy
    policy = resolved(aimed(policy, target), Grid.even(settings.steps))
    name = target.parameter
    config["policy"] = config["policy"] | {name: getattr(policy, name)}
    return policy


def _default_out(config: Config) -> Path:
    """Returns the directory of a run whose settings name none."""
    names = config["names"]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{stamp}-{names['model']}-{names['policy']}"
