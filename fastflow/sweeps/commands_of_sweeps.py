"""`fastflow sample -m` and its like: a sweep is begun or resumed, and its runs are listed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fastflow.errors import Failed, UserError
from fastflow.registry.applications.sweep_words import is_about_hydra
from fastflow.registry.preset_folders import searching, separate_folders
from fastflow.runs.resuming.lock import locked
from fastflow.sampling.storage import command_line, make_folder, numbered_folder
from fastflow.sweeps.sweep import SweepJob, default_out, seen_from, setting_of, stored_words
from fastflow.sweeps.sweep_folder import Sweep, SweepFolder
from fastflow.sweeps.sweep_table import sweep_table

TAKEN = ("out", "resume", "force")  # of the sweep, not of its runs


def begin_sweep(
    command: str, words: Sequence[str], folders: Sequence[str], own: type
) -> SweepFolder:
    """Begins a sweep and returns its folder.

    Args:
        command: the command of its runs.
        words: the words of the command line.
        folders: folders of presets.
        own: the dataclass of the command's own settings.

    Raises:
        ValueError: if something in it is wrong, before anything is computed.
        Interrupted: on Ctrl-C or SIGTERM; finished runs are kept.
    """
    _check_one_process(command)
    options, others = _options(words)
    if "force" in options:
        raise UserError("`force` is for a sweep that is resumed: give `resume=DIR` with it.")
    folders = [str(Path(folder).resolve()) for folder in folders]
    job = SweepJob(command, own, others, folders)
    folder = SweepFolder(_make(command, options.get("out")))
    try:
        with locked(folder.path, command):
            stored = stored_words(others, folders)
            folder.write(Sweep(command, stored, job.swept, [], os.getcwd()))
            job.go(folder)
            if not folder.read().runs:
                raise UserError(
                    f"the sweep has no runs: no values of `{'`, `'.join(job.swept)}` were found. "
                    "Name the values, such as seed=0,1."
                )
    finally:
        folder.take_back()
    return folder


def resume_sweep(
    command: str, words: Sequence[str], folders: Sequence[str], own: type
) -> SweepFolder:
    """Resumes a sweep and returns its folder: runs that are done are kept.

    Raises:
        ValueError: if it is a sweep of another command, or a word is about its runs.
        Interrupted: on Ctrl-C or SIGTERM; finished runs are kept.
    """
    _check_one_process(command)
    options, others = _options(words)
    if others and not all(map(is_about_hydra, others)):
        word = next(word for word in others if not is_about_hydra(word))
        raise UserError(
            f"{word!r}: a resumed sweep has the settings that it began with. Leave it out, or "
            "begin another sweep."
        )
    folder = SweepFolder(Path(options["resume"]).resolve())
    folder.check()
    sweep = folder.read()
    if sweep.command != command:
        again = command_line(sweep.command, f"resume={options['resume']}")
        raise UserError(f"`resume` {options['resume']!r} is a sweep of {sweep.command}: {again}")
    stored, more = separate_folders(sweep.settings)
    again = {setting_of(word) for word in others}
    stored = [word for word in stored if setting_of(word) not in again]
    folders = [*folders, *(one for one in more if one not in folders)]
    with seen_from(sweep.working_directory), searching(more):
        job = SweepJob(command, own, [*stored, *others], folders, "force" in options)
        with locked(folder.path, command):
            job.go(folder)
    folder.path = Path(options["resume"])
    return folder


def print_sweep(folder: SweepFolder) -> None:
    """Prints the runs of a sweep.

    Raises:
        Failed: if a run failed.
    """
    sweep = folder.read()
    print(sweep_table(sweep, folder))
    if sweep.command != "calibrate":  # a study is of runs and comparisons
        print(command_line("study", str(folder.path)))
    counts = Counter(run.status for run in sweep.runs)
    if left := len(sweep.runs) - counts["done"]:
        again = command_line(sweep.command, f"resume={folder.path}")
        raise Failed(
            f"{left} of {len(sweep.runs)} runs are not done; try them again with: {again}"
        )


def _options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Separates what is about the sweep's folder from what is about its runs."""
    pairs = {word: word.partition("=") for word in words}
    options = {key: value for key, _, value in pairs.values() if key in TAKEN}
    for name, value in options.items():
        if not value:
            raise UserError(f"`{name}` is empty. Give a path, or leave it out.")
    if options.get("force", "true") not in ("true", "false"):
        raise UserError(f"`force` must be true or false, got {options['force']!r}.")
    if options.get("force") == "false":
        del options["force"]
    return options, [word for word in words if pairs[word][0] not in TAKEN]


def _make(command: str, out: str | None) -> Path:
    if out is None:
        return numbered_folder(default_out(command))
    make_folder(Path(out), command)
    return Path(out)


def _check_one_process(command: str) -> None:
    """Raises a UserError if somebody has started several processes for one command."""
    size = os.environ.get("WORLD_SIZE", "1")
    if size.isdigit() and int(size) > 1:
        raise UserError(
            f"a sweep is started once, and here are {size} processes. Start `fastflow {command} "
            "-m` by itself; hydra/launcher=joblib or submitit_slurm starts others."
        )
