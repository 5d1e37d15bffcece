"""`fastflow compare`: from a configuration to the directory of a comparison."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fastflow.comparison.checks import ComparisonResults, Repetition, evaluate
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.job import ComparisonJob
from fastflow.comparison.page.exhibits import render_comparison
from fastflow.comparison.page.text import results_as_csv
from fastflow.comparison.rows import ComparisonDirectory, MethodRow
from fastflow.evaluation.metric import Metric
from fastflow.registry.compose import (
    Config,
    build,
    build_listed,
    load,
    save,
    settings_of,
)
from fastflow.runs.directory import versions
from fastflow.runs.prompts import find_prompts, request
from fastflow.runs.resuming.lock import locked
from fastflow.runs.resuming.resumption import Resumption, forced_warnings, note_inputs
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling.executor import Interrupted, ProcessLost, check_available
from fastflow.sampling.foreign import check_schema
from fastflow.sampling.model import Model
from fastflow.sampling.request import Request
from fastflow.sampling.storage import command_line, make_folder, numbered_folder, writing


def compare(config: Config) -> Path:
    """Runs a comparison and returns its directory.

    Raises:
        ValueError: if the configuration is wrong, before anything is computed; if another process
            works in the directory; or if a resumed comparison would not be the same.
        DiskFull: if the disk is full; finished rows are kept.
        Interrupted: on Ctrl-C or SIGTERM, or if a process was killed; finished rows are kept.
    """
    settings = settings_of(config, ComparisonSettings)
    with ExitStack() as held:
        if settings.resume is None:
            return _compare(config, settings, held)
        path = Path(settings.resume)
        ComparisonDirectory.existing(path)
        resumed = Resumption.open(path, "compare", settings.force, ComparisonSettings)
        return _compare(config, settings, held, resumed)


def _compare(
    config: Config,
    settings: ComparisonSettings,
    held: ExitStack,
    resumed: Resumption | None = None,
) -> Path:
    """Begins a comparison, or resumes one; ``held`` holds its directory until it is closed."""
    seen = config
    if resumed is not None:
        config, seen = resumed.config, resumed.seen
        settings = settings_of(seen, ComparisonSettings)
    check_available(settings.device)
    model: Model = build("model", seen["model"])
    methods = build_listed(seen | {"methods": settings.names()}, "methods")
    metrics: list[Metric] = list(build_listed(seen, "metrics").values())
    observers = list(build_listed(seen, "observers").values())
    measured, tuning = two_sets(settings, model)  # refuses prompts that cannot be read
    reasons = [metric.unavailable() for metric in metrics]
    if resumed is None:
        directory = _begun(settings, config, held, [*measured, *tuning])
    else:
        directory = _resumed(resumed, held, [*measured, *tuning])
    usable = [m for m, reason in zip(metrics, reasons, strict=True) if not reason]
    try:
        with ExitStack() as stack:
            sessions = [stack.enter_context(o.open(directory.path, config)) for o in observers]
            directory.write_json("versions.json", versions(settings.device))
            directory.write_json("left_out.json", [reason for reason in reasons if reason])
            loaded = None
            for one, folder in repetitions(config, settings, directory):
                sets = two_sets(one, model)
                job = ComparisonJob(one, model, methods, usable, *sets, folder, loaded)
                job.work()
                loaded = job.loaded
            results = finish(directory)
            for session in sessions:
                session.summary(results.to_dict(), directory.path)
    except (KeyboardInterrupt, BrokenProcessPool) as error:
        cause: BaseException = error
        if isinstance(error, BrokenProcessPool):
            cause = ProcessLost("one of the processes was killed, probably as memory ran out.")
        raise Interrupted.by(
            cause,
            "Finished rows are kept; resume with: "
            + command_line("compare", f"resume={directory.path}"),
        ) from error
    return directory.path


def repetitions(
    config: Config, settings: ComparisonSettings, directory: ComparisonDirectory
) -> Iterator[tuple[ComparisonSettings, ComparisonDirectory]]:
    """Yields the settings and the folder of each seed; makes the folders that do not exist yet.

    The first seed is in the comparison's own directory, the others are comparisons of their own
    in its folder `seeds`.
    """
    first, *others = settings.every_seed()
    yield replace(settings, seed=first, seeds=1), directory
    for seed in others:
        folder = directory.repetition(seed)
        if not (folder.path / "config.yaml").is_file():
            folder.make_folders()
            for name in ("versions.json", "left_out.json"):
                folder.write_json(name, directory.read_json(name))
            save(config | {"seed": seed, "seeds": 1, "out": None}, folder.path / "config.yaml")
        yield replace(settings, seed=seed, seeds=1), folder


def finish(directory: ComparisonDirectory) -> ComparisonResults:
    """Writes comparison.json, comparison.csv and report.html from the finished rows."""
    config = load(directory.path / "config.yaml", ComparisonSettings)
    settings = settings_of(config, ComparisonSettings)
    measured = finished(directory, settings)
    results = evaluate(settings, config["names"]["model"], measured)
    results.left_out += left_out(directory) + forced_warnings(directory.path)
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


def _begun(
    settings: ComparisonSettings, config: Config, held: ExitStack, requests: list[Request]
) -> ComparisonDirectory:
    """Makes the directory of a comparison that begins, and holds it."""
    if settings.out is None:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-compare-{config['names']['model']}"
        path = numbered_folder(Path("runs") / name)
    else:
        path = Path(settings.out)
        make_folder(path, "compare")
    held.enter_context(locked(path, "compare"))
    directory = ComparisonDirectory.create(path)
    with writing(path / "rows", "compare"):
        save(config, path / "config.yaml")
        note_inputs(path, requests)
    return directory


def _resumed(resumed: Resumption, held: ExitStack, requests: list[Request]) -> ComparisonDirectory:
    """Opens the directory of an earlier comparison, and holds it."""
    changed = resumed.changes(requests)
    directory = ComparisonDirectory.existing(resumed.path)
    held.enter_context(locked(directory.held, "compare"))
    resumed.note(changed)
    directory.make_folders()
    return directory
