"""`fastflow compare`: from a configuration to the directory of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from fastflow.comparison.cells.timing import of_one_kind
from fastflow.comparison.checks import ComparisonResults, Repetition, evaluate
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.job import ComparisonJob
from fastflow.comparison.page.exhibits import render_comparison
from fastflow.comparison.page.text import results_as_csv
from fastflow.comparison.rows import ComparisonDirectory, MethodRow
from fastflow.comparison.stored.directories import (
    begun_directory,
    new_folder,
    repetitions,
    resumed_directory,
)
from fastflow.evaluation.method import Method
from fastflow.evaluation.metric import Metric
from fastflow.evaluation.observer import Observer
from fastflow.registry.compose import (
    Config,
    build,
    build_listed,
    load,
    settings_of,
)
from fastflow.runs.directory import versions
from fastflow.runs.prompts import find_prompts, request
from fastflow.runs.resuming.lock import locked
from fastflow.runs.resuming.resumption import Resumption, forced_warnings, note_downloads
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling.executor import Executor, Interrupted, ProcessLost, Worker
from fastflow.sampling.foreign import check_schema
from fastflow.sampling.model import Model
from fastflow.sampling.request import Request
from fastflow.sampling.storage import command_line


@dataclass
class Comparison:
    """A comparison: what each process of it builds, and its directory.

    Attributes:
        resumed: the earlier comparison that is resumed; None if it begins.
        held: holds the directory, in the first process, until it is closed.
        directory: the directory; None before it is made.
    """

    config: Config
    settings: ComparisonSettings
    model: Model
    methods: dict[str, Method]
    metrics: list[Metric]
    observers: list[Observer]
    requests: list[Request]
    resumed: Resumption | None = None
    held: ExitStack = field(default_factory=ExitStack)
    path: Path | None = None  # once its folder is made

    @classmethod
    def of(cls, config: Config, resumed: Resumption | None = None) -> Comparison:
        """Builds what a configuration describes.

        Raises:
            ValueError: if the configuration is wrong, or prompts cannot be read.
        """
        seen = config if resumed is None else resumed.seen
        settings, model = settings_of(seen, ComparisonSettings), build("model", seen["model"])
        return cls(
            config,
            settings,
            model,
            methods=build_listed(seen | {"methods": settings.names()}, "methods"),
            metrics=list(build_listed(seen, "metrics").values()),
            observers=list(build_listed(seen, "observers").values()),
            requests=[one for requests in two_sets(settings, model) for one in requests],
            resumed=resumed,
        )

    @property
    def samples(self) -> int:
        """The number of samples that are measured, over all rows and seeds."""
        rows = len(self.settings.targets) * len(self.methods)
        return rows * self.settings.samples * len(self.settings.every_seed())

    def work(self, worker: Worker) -> Iterator[int]:
        """Does the work of one process; yields how many samples are measured."""
        with self.held:
            path = worker.from_first(lambda: self._open(worker).path)
            self.path, directory = path, ComparisonDirectory(path)
            with ExitStack() as stack:
                first = worker.rank == 0
                opened = [o.open(path, self.config) for o in self.observers if first]
                sessions = [stack.enter_context(one) for one in opened]
                yield from self._measure(worker, directory)
                if first:
                    results = finish(directory)
                    for session in sessions:
                        session.summary(results.to_dict(), path)

    def _open(self, worker: Worker) -> ComparisonDirectory:
        """Makes the directory, or opens the one to resume; only in the first process."""
        if self.resumed is None:
            self.path = new_folder(self.settings, self.config)
            made = begun_directory(self.path, self.config, self.held, self.requests)
        else:
            self.path = self.resumed.path
            made = resumed_directory(self.resumed, self.held, self.requests)
        made.write_json("versions.json", versions(worker.device))
        reasons = [metric.unavailable() for metric in self.metrics]
        made.write_json("left_out.json", [reason for reason in reasons if reason])
        return made

    def _measure(self, worker: Worker, directory: ComparisonDirectory) -> Iterator[int]:
        usable = [metric for metric in self.metrics if not metric.unavailable()]
        model = self.model.load(worker.device, worker.dtype)
        if worker.rank == 0:
            note_downloads(directory.path)
        each = worker.from_first(lambda: list(repetitions(self.config, self.settings, directory)))
        for one, folder in each:
            sets = two_sets(one, self.model)
            job = ComparisonJob(one, model, self.methods, usable, *sets, folder, worker)
            yield from job.work()


INLINE = {"component": "inline"}  # what comparisons of version 0.1 ran on, which name no executor


def compare(config: Config) -> Path:
    """Runs a comparison and returns its directory.

    Raises:
        ValueError: if the configuration is wrong, before anything is computed; if another process
            works in the directory; or if a resumed comparison would not be the same.
        DiskFull: if the disk is full; finished rows are kept.
        Interrupted: on Ctrl-C or SIGTERM, or if a process was killed; finished rows are kept.
    """
    settings = settings_of(config, ComparisonSettings)
    resumed = None if settings.resume is None else _opened(settings)
    comparison = Comparison.of(config if resumed is None else resumed.config, resumed)
    executor: Executor = build("executor", comparison.config.get("executor") or INLINE)
    try:
        with comparison.held:
            executor.run(comparison.work, comparison.samples)
    except (KeyboardInterrupt, ProcessLost) as error:
        raise Interrupted.by(error, _how_to_resume(comparison)) from error
    assert comparison.path is not None
    return comparison.path


def _opened(settings: ComparisonSettings) -> Resumption:
    """Returns the comparison to resume, after comparing its inputs with those it began with."""
    path = Path(str(settings.resume))
    ComparisonDirectory.existing(path)
    return Resumption.open(path, "compare", settings.force, ComparisonSettings)


def _how_to_resume(comparison: Comparison) -> str:
    if comparison.path is None or not (comparison.path / "config.yaml").is_file():
        return "Nothing was begun yet."
    again = command_line("compare", f"resume={comparison.path}")
    return f"Finished rows are kept; resume with: {again}"


def finish(directory: ComparisonDirectory) -> ComparisonResults:
    """Writes comparison.json, comparison.csv and report.html from the finished rows."""
    config = load(directory.path / "config.yaml", ComparisonSettings)
    settings = settings_of(config, ComparisonSettings)
    measured, told = _timed_alike(finished(directory, settings))
    results = evaluate(settings, config["names"]["model"], measured)
    results.left_out += left_out(directory) + forced_warnings(directory.path) + told
    rows_of_each = len(settings.targets) * len(settings.names())
    asked = rows_of_each * len(settings.every_seed())
    done = sum(len(one.rows) for one in measured)
    if done < asked:
        results.left_out.append(
            f"{asked - done} of {asked} rows are missing; resume with: "
            + command_line("compare", f"resume={directory.path}")
        )
    directory.write_json("comparison.json", results.to_dict())
    directory.write_text("comparison.csv", results_as_csv(results))
    directory.write_text("report.html", render_comparison(results, directory))
    return results


def left_out(directory: ComparisonDirectory) -> list[str]:
    """Returns why metrics were left out.

    Raises:
        ValueError: if the file that says so is missing or damaged.
    """
    reasons = directory.read_json("left_out.json")
    check_schema(list[str], reasons, str(directory.path / "left_out.json"))
    return reasons


def rewrite(path: Path) -> Path:
    """Writes the page and the tables of a comparison again, and returns the page's path."""
    directory = ComparisonDirectory.existing(path)
    with locked(directory.held, "report"):
        finish(directory)
    return path / "report.html"


def finished(directory: ComparisonDirectory, settings: ComparisonSettings) -> list[Repetition]:
    """Returns what is measured so far with each seed; those that have nothing yet are left out.

    Raises:
        ValueError: if the reference runs of the first seed are missing or damaged.
    """
    others = settings.every_seed()[1:]
    folders = [directory.repetition(seed) for seed in others]
    begun = [folder for folder in folders if (folder.path / "references.json").is_file()]
    return [
        Repetition(folder.references(), finished_rows(folder, settings))
        for folder in (directory, *begun)
    ]


def _timed_alike(measured: Sequence[Repetition]) -> tuple[list[Repetition], list[str]]:
    """Returns what is measured with the times of one kind of device, and what was left out."""
    rows, told = of_one_kind([row for one in measured for row in one.rows])
    rest = iter(rows)
    alike = [replace(one, rows=list(islice(rest, len(one.rows)))) for one in measured]
    return alike, [told] if told else []


def finished_rows(directory: ComparisonDirectory, settings: ComparisonSettings) -> list[MethodRow]:
    """Returns the rows measured so far, in the order of the targets, then of the methods."""
    asked = [(name, target) for target in settings.targets for name in settings.names()]
    return [row for name, target in asked if (row := directory.row(name, target))]


def two_sets(settings: ComparisonSettings, model: Model) -> tuple[list[Request], list[Request]]:
    """Returns the requests to measure and those to tune on, with other prompts if possible.

    Raises:
        ValueError: if there are no prompts, or their file is missing or damaged.
    """
    asked = RunSettings(
        steps=settings.steps,
        samples=settings.samples + settings.tuning,
        seed=settings.seed,
        prompt=settings.prompt,
        prompts=settings.prompts,
        image=settings.image,
    )
    prompts = find_prompts(asked, model)
    cut = round(len(prompts) * settings.samples / (settings.samples + settings.tuning))
    cut = min(max(cut, 1), max(len(prompts) - 1, 1))
    parts = prompts[:cut], prompts[cut:] or prompts
    first, counts = (0, settings.samples), (settings.samples, settings.tuning)
    measured, tuning = (
        [request(part[i % len(part)], start + i, asked) for i in range(count)]
        for part, start, count in zip(parts, first, counts, strict=True)
    )
    return measured, tuning
