"""`fastflow sample`: from a configuration to a run directory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from fastflow.evaluation.measurement import Measurement
from fastflow.evaluation.metric import Metric
from fastflow.evaluation.observer import Observer, ObserverSession
from fastflow.evaluation.summary import add_learning, summarise
from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.grid import Grid
from fastflow.policies.policy import Policy
from fastflow.policies.targets import aimed, resolved
from fastflow.registry.compose import (
    Config,
    build,
    build_chosen,
    build_listed,
    save,
    settings_of,
)
from fastflow.report import write_report
from fastflow.runs.caveats import nothing_to_use, warnings
from fastflow.runs.directory import RunDirectory, check_resumable, versions
from fastflow.runs.measured import measured_samples
from fastflow.runs.prompts import make_requests
from fastflow.runs.resuming.lock import locked
from fastflow.runs.resuming.resumption import (
    Resumption,
    forced_warnings,
    note_downloads,
    note_inputs,
)
from fastflow.runs.run_settings import RunSettings
from fastflow.runs.updates import Updates
from fastflow.sampling.executor import Executor, Interrupted, ProcessLost, Worker
from fastflow.sampling.model import Model
from fastflow.sampling.recording import check_probe
from fastflow.sampling.reference import warm_up
from fastflow.sampling.request import Request
from fastflow.sampling.sampler import Sampler
from fastflow.sampling.storage import command_line, make_folder, numbered_folder, writing


@dataclass
class RunJob:
    """One run: its settings, requests and components.

    Attributes:
        resumed: the earlier run that is resumed; None if the run begins.
        held: holds the directory, in the first process, until it is closed.
    """

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
    resumed: Resumption | None = None
    held: ExitStack = field(default_factory=ExitStack)
    directory: RunDirectory = field(init=False)

    def __post_init__(self):
        self.directory = RunDirectory(self.path)

    def work(self, worker: Worker) -> Iterator[int]:
        """Does the work of one process; yields the number of samples finished in each batch."""
        with self.held:
            self.path = worker.from_first(self._open)  # the others are told where it is
            self.directory = RunDirectory(self.path)
            try:
                yield from self._work(worker)
            except ValueError:
                if worker.rank == 0 and self.resumed is None:
                    self.directory.take_back()
                raise

    def _open(self) -> Path:
        """Begins the run, or opens the one to resume; only in the first process."""
        return self._begin() if self.resumed is None else self._resume(self.resumed)

    def _begin(self) -> Path:
        if self.settings.out is None:
            self.path, made = numbered_folder(self.path), True
        else:
            made = make_folder(self.path, "sample")
        if made:
            self.held.callback(_remove_if_empty, self.path)
        self.held.enter_context(locked(self.path, "sample"))
        directory = RunDirectory.create(self.path)
        with writing(self.path / "config.yaml"):
            save(self.config, self.path / "config.yaml")
        note_inputs(self.path, self.requests)
        directory.images.mkdir(exist_ok=True)
        return directory.path

    def _resume(self, resumed: Resumption) -> Path:
        changed = resumed.changes(self.requests)
        self.held.enter_context(locked(self.path, "sample"))
        directory, damage = RunDirectory.existing(self.path, self.settings.force)
        resumed.note([*changed, *damage])
        if resumed.began is None and not directory.rows():
            note_inputs(self.path, self.requests)  # it was killed before it could
        return self.path

    def _work(self, worker: Worker) -> Iterator[int]:
        sampler = self._sampler(worker)
        if worker.rank == 0:
            note_downloads(self.path)
        reasons = [metric.unavailable() for metric in self.metrics]
        usable = [m for m, reason in zip(self.metrics, reasons, strict=True) if not reason]
        measurement = Measurement(usable)
        updates = Updates(sampler, self.settings, self.directory, self.requests, worker)
        if updates.left:
            check_probe(sampler, updates.left[0])
            if worker.rank == 0 and (text := nothing_to_use(sampler.memory)):
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
        summary["warnings"] = forced_warnings(path)
        summary["warnings"] += warnings(sampler, self.settings.steps, summary)
        self.directory.write_json("summary.json", summary)
        self.directory.write_json("versions.json", versions(worker.device))
        with writing(path / "report.html"):
            write_report(path)
        for session in sessions:
            session.summary(summary, path)


def run(config: Config) -> Path:
    """Runs a composed configuration and returns the run directory.

    Raises:
        ValueError: if the configuration is wrong, before anything is computed; if another process
            works in the directory; or if a resumed run would not be the same run.
        DiskFull: if the disk is full; finished samples are kept.
        Interrupted: on Ctrl-C or SIGTERM, or if a process was lost; finished samples are kept.
    """
    settings = settings_of(config, RunSettings)
    job = _job(config, settings) if settings.resume is None else _resumed(settings)
    executor: Executor = build("executor", job.config["executor"])
    try:
        with job.held:
            executor.run(job.work, len(job.requests))
    except (KeyboardInterrupt, ProcessLost) as error:
        raise Interrupted.by(error, _how_to_resume(job.path)) from error
    except (OSError, RuntimeError, MemoryError) as error:
        error.add_note(_how_to_resume(job.path))
        raise
    return job.path


def _job(config: Config, settings: RunSettings) -> RunJob:
    """Returns the job of a configuration."""
    policy = aimed_policy(config, settings)
    model: Model = build("model", config["model"])
    return RunJob(
        config,
        settings,
        Path(settings.resume or settings.out or _default_out(config)),
        make_requests(settings, model, build_chosen(config, "benchmark")),
        model,
        policy=policy,
        extrapolator=build("extrapolator", config["extrapolator"]),
        corrector=build("corrector", config["corrector"]),
        metrics=list(build_listed(config, "metrics").values()),
        observers=list(build_listed(config, "observers").values()),
    )


def _resumed(asked: RunSettings) -> RunJob:
    """Returns the job of an earlier run, after comparing its inputs with those at its beginning.

    Raises:
        ValueError: if one has changed or is missing, unless `force` is set.
    """
    path = Path(str(asked.resume))
    check_resumable(path)
    resumed = Resumption.open(path, "sample", asked.force, RunSettings)
    config = resumed.seen
    settings = replace(settings_of(config, RunSettings), resume=asked.resume, force=asked.force)
    job = _job(config, settings)
    job.resumed = resumed
    resumed.changes(job.requests)  # before anything is loaded
    return job


def _remove_if_empty(path: Path) -> None:
    with suppress(OSError):
        path.rmdir()


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
