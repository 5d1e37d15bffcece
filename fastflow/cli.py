"""The commands of ``fastflow``: parsing, printing and exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastflow.errors import Failed
from fastflow.registry.hooks import Command
from fastflow.words import check_words, flag, one_path, path_and_options, paths_and_options

SHOW_TRACEBACK = "--traceback"
SHOW = "--cfg"  # print the configuration instead of running it

HEAD = "fastflow: step skipping for flow-matching models\n"
EXAMPLES = """
Try: fastflow sample model=flux_mini policy=ucb samples=16
     fastflow sample --cfg            print all settings with their defaults
     fastflow sample --config-dir DIR policy=mine   with your preset DIR/policy/mine.yaml
     --traceback with any command     show where an error comes from"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status.

    That is 0 if it is done, 1 if it failed, 2 if the user has to give something else, 70 for a
    bug, 130 after Ctrl-C and 143 after SIGTERM.
    """
    # transformers warns about torchvision
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    name, *words = (sys.argv[1:] if arguments is None else arguments) or [""]
    from fastflow import endings

    shows, words = SHOW_TRACEBACK in words, [w for w in words if w != SHOW_TRACEBACK]
    endings.print_anything()
    try:
        with endings.terminable():
            status = _run(name, words)
            endings.flush_output()
        return status
    except (Exception, KeyboardInterrupt) as error:
        return endings.end(name, error, shows)


def _run(name: str, words: list[str]) -> int:
    """Runs a command by its name."""
    from fastflow.registry.catalog import installed
    from fastflow.registry.preset_folders import searching, separate_folders

    commands = COMMANDS | _plugin_commands(installed().commands)
    if name in ("", "-h", "--help", "help"):
        print(usage(commands))
        return 0 if name else 2
    if name not in commands:
        print(f"fastflow: there is no command {name!r}.\n\n{usage(commands)}", file=sys.stderr)
        return 2
    if {"-h", "--help"} & set(words):
        print(usage({name: commands[name]}))
        return 0
    check_words(words)
    words, folders = separate_folders(words)
    with searching(folders):
        commands[name].run(words)
    return 0


def usage(commands: Mapping[str, Command]) -> str:
    """Returns the help text: every command with its arguments and its purpose."""
    calls = [f"  fastflow {name} {command.usage}".rstrip() for name, command in commands.items()]
    width = 44
    lines = [
        f"{call:<{width}}  {c.purpose}"
        if len(call) <= width
        else f"{call}\n{'':{width}}  {c.purpose}"
        for call, c in zip(calls, commands.values(), strict=True)
    ]
    return "\n".join([HEAD, *lines, EXAMPLES])


def _plugin_commands(commands: Mapping[str, Command]) -> dict[str, Command]:
    """Returns the plugins' commands.

    Raises:
        PluginError: if one has the name of a built-in command.
    """
    from fastflow.registry.catalog import PluginError

    if taken := sorted(commands.keys() & COMMANDS.keys()):
        raise PluginError(
            f"a plugin has a command named {taken[0]!r}, which is the name of a built-in command. "
            "Rename it in the plugin's `fastflow_commands`, or uninstall the plugin."
        )
    return dict(commands)


def _sample(words: list[str]) -> None:
    from fastflow.evaluation.summary import headline
    from fastflow.runs.run import run
    from fastflow.runs.run_settings import RunSettings, with_policy
    from fastflow.sampling.executor import is_first_process

    config = _configuration(with_policy(words), "sample", RunSettings)
    if config is None:
        return
    path = run(config)
    if not is_first_process():
        return
    summary = json.loads((path / "summary.json").read_text())
    print(headline(summary))
    print(f"report    {path / 'report.html'}\n{path}")
    if summary["samples"] and summary["failed"] == summary["samples"]:
        raise Failed(f"all samples failed; the reasons are in {path / 'samples.jsonl'}.")


def _compare(words: list[str]) -> None:
    from fastflow.comparison.compare import compare
    from fastflow.comparison.comparison_settings import ComparisonSettings
    from fastflow.comparison.page.text import comparison_headline
    from fastflow.sampling.executor import is_first_process

    config = _configuration(words, "compare", ComparisonSettings)
    if config is None:
        return
    path = compare(config)
    if not is_first_process():
        return
    print(comparison_headline(json.loads((path / "comparison.json").read_text())))
    print(f"report    {path / 'report.html'}\n{path}")


def _calibrate(words: list[str]) -> None:
    from fastflow.runs.calibration import calibrate, keep_preset, overrides
    from fastflow.runs.run_settings import RunSettings

    config = _configuration(overrides(words), "calibrate", RunSettings)
    if config is None:
        return
    text = calibrate(config)
    try:
        print(text, end="", flush=True)
    finally:
        keep_preset(config, text)


def _configuration(words: Sequence[str], root: str, settings: type) -> dict[str, Any] | None:
    """Composes a command's configuration; with ``--cfg``, prints it and returns None."""
    from fastflow.registry.compose import read, to_yaml

    config = read([word for word in words if word != SHOW], root, settings)
    if SHOW not in words:
        return config
    print(to_yaml(config), end="")
    return None


def _plugins(words: list[str]) -> None:
    from dataclasses import MISSING, fields

    from fastflow.registry.catalog import installed
    from fastflow.registry.hooks import KINDS

    for word in words:
        if word not in KINDS:
            raise ValueError(f"there is no kind {word!r}. Kinds: {', '.join(KINDS)}.")
    for kind in words or KINDS:
        print(kind)
        for entry in installed().entries:
            if entry.kind == kind:
                print(f"  {entry.name:<16} {entry.line}  [{entry.plugin}]")
                for f in fields(entry.component) if words else ():
                    default = "required" if f.default is MISSING else repr(f.default)
                    print(f"      {f.name} = {default}")


def _report(words: list[str]) -> None:
    from fastflow.report import write_report
    from fastflow.report.load import check_run_dir
    from fastflow.runs.resuming.lock import locked

    path = one_path(words, "report RUN_DIR")
    if (path / "rows").is_dir():
        from fastflow.comparison.compare import rewrite

        print(rewrite(path))
        return
    check_run_dir(path)
    with locked(path, "report"):
        print(write_report(path))


def _pool(words: list[str]) -> None:
    from fastflow.comparison.pooling.pool import pool

    usage = "pool DIR ... out=FOLDER"
    paths, options = paths_and_options(words, usage, ("out",))
    if not paths or "out" not in options:
        raise ValueError(f"usage: fastflow {usage}, with comparisons of two or more seeds in all")
    path = pool([Path(word) for word in paths], Path(options["out"]))
    print((path / "table.md").read_text(encoding="utf-8"))
    print(path)


def _memory(words: list[str]) -> None:
    from fastflow.sampling.storage import read_summary

    path = one_path(words, "memory RUN_DIR|FILE")
    print(read_summary(path / "memory.json" if path.is_dir() else path))


def _export(words: list[str]) -> None:
    from fastflow.runs.official.benchmark_run import BenchmarkRun
    from fastflow.runs.official.export import export

    usage = "export RUN_DIR out=FOLDER"
    path, options = path_and_options(words, usage, ("out",))
    if "out" not in options:
        raise ValueError(f"`out` is missing. Usage: fastflow {usage}")
    run, out = BenchmarkRun.open(path), Path(options["out"])
    for side, count in export(run, out).items():
        print(f"{count:>5} samples   {out / side}")


def _import_scores(words: list[str]) -> None:
    from fastflow.evaluation.benchmark_scores import as_text
    from fastflow.evaluation.measurement import SIDES
    from fastflow.runs.official.benchmark_run import BenchmarkRun
    from fastflow.runs.official.import_scores import take_scores
    from fastflow.runs.resuming.lock import locked

    usage = "import-scores RUN_DIR skipped=FILE full=FILE [replace=true] [partial=true]"
    path, options = path_and_options(words, usage, (*SIDES, "replace", "partial"))
    files = {side: Path(options[side]) for side in SIDES if side in options}
    if not files:
        raise ValueError(f"the scorer's files are missing. Usage: fastflow {usage}")
    flags = {name: flag(name, options) for name in ("replace", "partial")}
    BenchmarkRun.open(path)  # refuses what is no run before it is held
    with locked(path, "import-scores"):
        print(as_text(take_scores(BenchmarkRun.open(path), files, **flags)))
    print(f"report    {path / 'report.html'}\n{path}")


COMMANDS = {
    "sample": Command(_sample, "[key=value ...]", "generate with skipping, learn, score, report"),
    "compare": Command(
        _compare, "[key=value ...]", "compare methods at equal compute, on the same noise"
    ),
    "calibrate": Command(
        _calibrate, "[POLICY] [key=value ...]", "fit a policy's parameters to a model"
    ),
    "plugins": Command(_plugins, "[KIND]", "list the installed components and their parameters"),
    "report": Command(_report, "RUN_DIR", "rewrite the report.html of a run or a comparison"),
    "pool": Command(
        _pool, "DIR ... out=FOLDER", "put comparisons with different seeds in one table"
    ),
    "memory": Command(_memory, "RUN_DIR|FILE", "print what a policy has learned"),
    "export": Command(
        _export, "RUN_DIR out=FOLDER", "write a benchmark's outputs in the layout of its scorer"
    ),
    "import-scores": Command(
        _import_scores, "RUN_DIR skipped=FILE full=FILE", "add a scorer's results to the run"
    ),
}


if __name__ == "__main__":
    sys.exit(main())
