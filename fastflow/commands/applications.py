"""The commands that Hydra composes: sample, compare and calibrate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from fastflow.commands.help_texts import application_help
from fastflow.commands.options import Options
from fastflow.registry.compose import Config, chosen_by_default, read, to_yaml
from fastflow.registry.hooks import KINDS
from fastflow.registry.preset_folders import EXPERIMENT, given
from fastflow.runs.run_settings import RunSettings, with_policy


def run_sample(words: list[str]) -> None:
    """Generates samples into a run directory, or into those of a sweep."""
    _run("sample", words, with_policy, RunSettings, _sample)


def run_compare(words: list[str]) -> None:
    """Compares methods, or does so once for each value of some settings."""
    from fastflow.comparison.comparison_settings import ComparisonSettings

    _run("compare", words, list, ComparisonSettings, _compare)


def run_calibrate(words: list[str]) -> None:
    """Fits a policy's parameters, or does so once for each value of some settings."""
    from fastflow.runs.calibration import overrides

    _run("calibrate", words, overrides, RunSettings, _calibrate)


def _run(
    command: str,
    words: list[str],
    prepared: Callable[[list[str]], list[str]],
    own: type,
    work: Callable[[Config], None],
) -> None:
    """Does what the options of a command ask for.

    Args:
        command: its name.
        words: the words after it.
        prepared: returns the settings, with those that the command adds.
        own: the dataclass of its own settings.
        work: runs a configuration.
    """
    options = Options.of(words, takes_name=command == "calibrate")
    if options.help:
        print(_help(command, own))
    elif options.cfg or options.info:
        _show(command, options, prepared(options.words), own)
    elif options.sweep or _swept(options.words):
        _sweep(command, options, own)
    else:
        from fastflow.registry.applications.sweep_words import check_no_sweep

        check_no_sweep(options.words, command)
        work(read(prepared(options.words), command, own))


def _help(command: str, own: type) -> str:
    groups = {kind: one.purpose for kind, one in KINDS.items()}
    chosen = chosen_by_default(command)
    groups = {kind: text for kind, text in groups.items() if kind in chosen}
    groups[EXPERIMENT] = "Settings by the name of their file in an `experiment` folder."
    return application_help(command, own, groups, chosen)


def _show(command: str, options: Options, words: list[str], own: type) -> None:
    """Prints the configuration, or what it is composed of."""
    if options.cfg in ("job", "all"):
        from fastflow.registry.applications.sweep_words import is_about_hydra

        print(to_yaml(read([w for w in words if not is_about_hydra(w)], command, own)), end="")
    if options.cfg != "job":
        from fastflow.registry.applications.inspection import show_hydra, show_info

        if options.cfg:
            show_hydra(command, words, own)
        else:
            show_info(options.info, command, words, own)


def _swept(words: list[str]) -> bool:
    """Returns whether a command is to resume a sweep."""
    from fastflow.sweeps.sweep_folder import is_sweep

    resumed = [w.partition("=")[2] for w in words if w.startswith("resume=")]
    return bool(resumed and resumed[-1]) and is_sweep(Path(resumed[-1]))


def _sweep(command: str, options: Options, own: type) -> None:
    from fastflow.sweeps.commands_of_sweeps import begin_sweep, print_sweep, resume_sweep

    folders = [str(folder.path) for folder in given()]
    resumes = any(word.startswith("resume=") for word in options.words)
    print_sweep((resume_sweep if resumes else begin_sweep)(command, options.words, folders, own))


def _sample(config: Config) -> None:
    from fastflow.evaluation.summary import headline
    from fastflow.runs.run import run
    from fastflow.sampling.executor import is_first_process
    from fastflow.sweeps.swept_run import check_some_succeeded

    path = run(config)
    if not is_first_process():
        return
    print(headline(json.loads((path / "summary.json").read_text(encoding="utf-8"))))
    print(f"report    {path / 'report.html'}\n{path}")
    check_some_succeeded(path)


def _compare(config: Config) -> None:
    from fastflow.comparison.compare import compare
    from fastflow.comparison.page.text import comparison_headline
    from fastflow.sampling.executor import is_first_process

    path = compare(config)
    if not is_first_process():
        return
    print(comparison_headline(json.loads((path / "comparison.json").read_text())))
    print(f"report    {path / 'report.html'}\n{path}")


def _calibrate(config: Config) -> None:
    from fastflow.runs.calibration import calibrate, keep_preset

    text = calibrate(config)
    try:
        print(text, end="", flush=True)
    finally:
        keep_preset(config, text)
