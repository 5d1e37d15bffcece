"""The main job: prompts in, a run directory out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastflow.evaluation.benchmark import Benchmark
from fastflow.evaluation.measurement import Results, warm_up
from fastflow.evaluation.metric import Metric
from fastflow.evaluation.observer import Observer, ObserverSession
from fastflow.evaluation.summary import summarise
from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.grid import few_steps
from fastflow.policies.policy import Policy
from fastflow.registry.compose import (
    Config,
    build,
    build_chosen,
    build_listed,
    load,
    save,
    settings_of,
)
from fastflow.report import write_report
from fastflow.runs.directory import Jsonl, RunDirectory, versions
from fastflow.runs.prompts import make_requests
from fastflow.runs.run_settings import RunSettings
from fastflow.runs.updates import Updates
from fastflow.sampling.executor import Executor, Interrupted, Worker
from fastflow.sampling.model import Model
from fastflow.sampling.sampler import Sampler
from fastflow.sampling.storage import writing

MAIN = "FASTFLOW_RUN_DIR"  # tells the other processes of a run where it is


@dataclass
class Job:
    """One run: its components, and what it still has to do."""

    config: dict[str, Any]
    settings: RunSettings
    adapter: Model
    policy: Policy
    extrapolator: Extrapolator
    corrector: Corrector
    metrics: list[Metric]
    observers: list[Observer]
    directory: RunDirectory
    benchmark: Benchmark | None = None

    def work(self, place: Worker) -> Iterator[int]:
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
        reasons = [metric.unavailable() for metric in self.metrics]
        left_out = [reason for reason in reasons if reason]
        metrics = [m for m, reason in zip(self.metrics, reasons, strict=True) if not reason]
        requests = make_requests(self.settings, self.adapter, self.benchmark)
        rounds = Updates(sampler, self.settings, self.directory, requests)
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
        self, place: Worker, sampler: Sampler, watches: list[ObserverSession], left_out: list[str]
    ) -> None:
        """Writes summary.json, versions.json and the report."""
        names = self.config["names"]
        summary = summarise(self.directory.rows()) | self.directory.official()
        summary |= {"steps": self.settings.steps, "left_out": left_out}
        summary |= {kind: names[kind] for kind in ("model", "policy", "extrapolator", "corrector")}
        summary["warnings"] = warnings(sampler, self.settings.steps, summary)
        self.directory.write_json("summary.json", summary)
        self.directory.write_json("versions.json", versions(place.device))
        for watch in watches:
            watch.summary(summary, self.directory.path)
        with writing(self.directory.path / "report.html"):
            write_report(self.directory.path)


def warnings(sampler: Sampler, steps: int, summary: dict[str, Any]) -> list[str]:
    """Returns what a user should know about the run."""
    found = []
    if little := few_steps(steps):
        found.append(little)
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
    plan = settings_of(config, RunSettings)
    if plan.resume is not None:
        directory = RunDirectory.existing(Path(plan.resume))
        config = load(directory.path / "config.yaml")
        plan = settings_of(config, RunSettings)
    else:
        directory = None
    kinds = {"adapter": "model"} | {k: k for k in ("policy", "extrapolator", "corrector")}
    parts = {name: build(kind, config[kind]) for name, kind in kinds.items()}
    metrics = list(build_listed(config, "metrics").values())
    observers = [Jsonl(), *build_listed(config, "observers").values()]
    trainer: Executor = build("executor", config["executor"])
    benchmark = build_chosen(config, "benchmark")
    requests = make_requests(plan, parts["adapter"], benchmark)
    directory = directory or _new_directory(plan, config)
    job = Job(
        config,
        plan,
        **parts,
        metrics=metrics,
        observers=observers,
        directory=directory,
        benchmark=benchmark,
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


def _new_directory(plan: RunSettings, config: Config) -> RunDirectory:
    """Makes the run directory, or finds the one that the main process has made."""
    if made := os.environ.get(MAIN):
        return RunDirectory(Path(made))
    names = config["names"]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{names['model']}-{names['policy']}"
    directory = RunDirectory.create(Path(plan.out or Path("runs") / name))
    with writing(directory.path / "config.yaml"):
        save(config, directory.path / "config.yaml")
    os.environ[MAIN] = str(directory.path.resolve())
    return directory
