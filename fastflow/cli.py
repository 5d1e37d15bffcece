"""The commands of ``fastflow``: which one is meant, and how it ends."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module

from fastflow.commands.help_texts import usage
from fastflow.registry.applications.plugin_commands import Command, listed_commands
from fastflow.words import APPLICATIONS, HELP, check_words

SHOW_TRACEBACK = "--traceback"
COMPLETION = ("--shell-completion", "-sc")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status.

    That is 0 if it is done, 1 if it failed, 2 if the user has to give something else, 70 for a
    bug, 130 after Ctrl-C and 143 after SIGTERM.
    """
    name, *words = (sys.argv[1:] if arguments is None else arguments) or [""]
    shows, words = SHOW_TRACEBACK in words, [w for w in words if w != SHOW_TRACEBACK]
    try:
        if name in APPLICATIONS and set(HELP) & set(words):
            COMMANDS[name].run(words)
            return 0
        if name in ("", "help", *HELP):
            print(usage(COMMANDS | listed_commands()), flush=True)
            return 0 if name else 2
        return _run_and_end(name, words)
    except (Exception, KeyboardInterrupt) as error:
        from fastflow import endings  # which imports torch, and help does not wait for that

        return endings.end(name, error, shows)


def _run_and_end(name: str, words: list[str]) -> int:
    """Runs a command, which SIGTERM ends as Ctrl-C does, and prints what is left."""
    with _ending_at_once(name), _without_collecting():
        from fastflow import endings
        from fastflow.registry.catalog import installed

        installed()
    endings.print_anything()
    with endings.terminable():
        status = _run(name, words)
        endings.flush_output()
    return status


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Looks for no garbage while modules are imported, which leave none: a tenth of their time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def _ending_at_once(name: str) -> Iterator[None]:
    """Lets a signal end this process at once while it imports, as half a library is of no use.

    Torch, interrupted there, raises errors of its own, and so does whoever imports it again.
    """

    def end(signum: int, frame: object) -> None:
        ranks = ("LOCAL_RANK", "SLURM_PROCID")  # the first process says it for all
        if all(os.environ.get(rank, "0") == "0" for rank in ranks):
            os.write(2, f"\nfastflow {name}: interrupted. Nothing was begun yet.\n".encode())
        os._exit(128 + signum)

    signals = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        signals = ()
    before = {s: signal.getsignal(s) for s in signals}
    heard = [s for s, handler in before.items() if handler is not signal.SIG_IGN]
    for signum in heard:
        signal.signal(signum, end)
    try:
        yield
    finally:
        for signum in heard:
            signal.signal(signum, before[signum])


def _run(name: str, words: list[str]) -> int:
    """Runs a command by its name."""
    from fastflow.registry.catalog import installed
    from fastflow.registry.preset_folders import searching, separate_folders

    if name.partition("=")[0] in COMPLETION:
        from fastflow.commands.completion import complete

        complete([name, *words], {**COMMANDS, **installed().commands})
        return 0
    commands = COMMANDS | _plugin_commands(installed().commands)
    if name not in commands:
        print(f"fastflow: there is no command {name!r}.\n\n{usage(commands)}", file=sys.stderr)
        return 2
    if set(HELP) & set(words):
        print(usage({name: commands[name]}))
        return 0
    check_words(words)
    words, folders = separate_folders(words)
    with searching(folders):
        commands[name].run(words)
    return 0


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


def _in(module: str, function: str) -> Callable[[list[str]], None]:
    """Returns a command of ours, whose module is imported when it runs."""

    def run(words: list[str]) -> None:
        getattr(import_module(f"fastflow.commands.{module}"), function)(words)

    return run


COMMANDS = {
    "sample": Command(
        _in("applications", "run_sample"),
        "[-m] [key=value ...]",
        "generate with skipping, learn, score, report",
    ),
    "compare": Command(
        _in("applications", "run_compare"),
        "[-m] [key=value ...]",
        "compare methods at equal compute, on the same noise",
    ),
    "calibrate": Command(
        _in("applications", "run_calibrate"),
        "[-m] [POLICY] [key=value ...]",
        "fit a policy's parameters to a model",
    ),
    "plugins": Command(
        _in("folders", "list_plugins"),
        "[KIND]",
        "list the installed components and their parameters",
    ),
    "report": Command(
        _in("folders", "rewrite_report"),
        "RUN_DIR",
        "rewrite the report.html of a run or a comparison",
    ),
    "pool": Command(
        _in("folders", "pool_comparisons"),
        "DIR ... out=FOLDER",
        "put comparisons with different seeds in one table",
    ),
    "study": Command(
        _in("folders", "study_runs"),
        "DIR ... [out=FOLDER] [wandb=GROUP]",
        "make a table, a page and figures of many runs",
    ),
    "memory": Command(
        _in("folders", "print_memory"), "RUN_DIR|FILE", "print what a policy has learned"
    ),
    "export": Command(
        _in("folders", "export_outputs"),
        "RUN_DIR out=FOLDER",
        "write a benchmark's outputs in the layout of its scorer",
    ),
    "import-scores": Command(
        _in("folders", "add_scores"),
        "RUN_DIR skipped=FILE full=FILE",
        "add a scorer's results to the run",
    ),
}


if __name__ == "__main__":
    sys.exit(main())
