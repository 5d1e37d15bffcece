"""How a command ends: what is said about an error, and the exit status."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from fastflow.errors import OWN_PACKAGES, Failed, is_users
from fastflow.registry.catalog import PluginError, installed
from fastflow.sampling import FlowModel
from fastflow.sampling.executor import (
    AnotherFailed,
    Interrupted,
    Terminated,
    is_first_process,
    speaks_of,
)

STATUS_FAILED, STATUS_USAGE, STATUS_BUG = 1, 2, 70
REMEDIES = {
    errno.ENOSPC: "Make room",
    errno.EDQUOT: "Make room: your quota is used up",
    errno.EFBIG: "A file may not become so large here: write elsewhere",
    errno.EROFS: "The file system is read-only: write elsewhere",
    errno.EACCES: "Get the permission, or choose another path",
    errno.EPERM: "Get the permission, or choose another path",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.EMFILE: "Allow more open files: ulimit -n",
}
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
RAISED_AGAIN = 0.02  # seconds until a signal is sent again that came where it would be lost
LONGEST_SHOWN = 120  # characters of a path that are shown


@contextmanager
def terminable() -> Iterator[None]:
    """Lets SIGTERM end the body as Ctrl-C does: by an exception, once.

    Only the first process of a run has something to say: the others end at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    handlers = {signal.SIGTERM: _once(Terminated)}
    if before[signal.SIGINT] is signal.default_int_handler:
        handlers[signal.SIGINT] = _once(KeyboardInterrupt)
    for signum, handler in handlers.items():
        signal.signal(signum, handler if is_first_process() else signal.SIG_DFL)
    try:
        yield
    finally:
        for signum in handlers:
            signal.signal(signum, before[signum])


def _once(kind: type[KeyboardInterrupt]) -> Callable[[int, FrameType | None], None]:
    """Returns a handler that raises an exception at the first signal."""
    raised = []

    def handle(signum: int, frame: FrameType | None) -> None:
        if frame is not None and _is_lost_in(frame):
            threading.Timer(RAISED_AGAIN, os.kill, (os.getpid(), signum)).start()
        elif not raised:
            raised.append(signum)
            raise kind

    return handle


def _is_lost_in(frame: FrameType) -> bool:
    """Returns whether Python ignores what is raised: in a callback after each import."""
    code = frame.f_code
    return code.co_name == "cb" and code.co_filename.startswith("<frozen importlib")


def print_anything() -> None:
    """Lets a terminal that does not know a character show its code instead."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_output() -> None:
    """Prints what is left; if that fails, nothing more is printed, also at exit.

    Raises:
        OSError: if the output is closed, or its disk is full.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def end(command: str, error: BaseException, show: bool = False) -> int:
    """Says on stderr what an error means, and returns the exit status.

    Args:
        command: the name of the command that ended.
        error: what ended it.
        show: whether to show the traceback.
    """
    if isinstance(error, AnotherFailed):
        return STATUS_FAILED
    text, status, report = _said(error, command)
    if not isinstance(error, Interrupted) and (signalled := _interruption(error)):
        signalled.__notes__ = list(getattr(error, "__notes__", ()))
        error, (text, status, report) = signalled, _said(signalled, command)
    if not speaks_of(error):
        return status
    if show or os.environ.get("FASTFLOW_TRACEBACK", "0") not in ("", "0"):
        traceback.print_exception(error)
    elif report:
        text += f" {report} {_kept_traceback(error)}"
    text = " ".join([text, *getattr(error, "__notes__", ())])
    # Python remembers that the last text it executed was interrupted, and then ends `python -m` by
    # the signal, whatever status it is given. Libraries execute texts: dataclasses do.
    exec("")
    with suppress(OSError):
        lead = "\n" if isinstance(error, (KeyboardInterrupt, Interrupted)) else ""
        print(f"{lead}fastflow {command}: {text}", file=sys.stderr)
    return status


def _interruption(error: BaseException) -> KeyboardInterrupt | None:
    """Returns the signal behind an error: a library's clean-up may raise one of its own."""
    behind: list[BaseException | None] = [error]
    seen: set[int] = set()
    while behind:
        one = behind.pop()
        if isinstance(one, KeyboardInterrupt):
            return one
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            behind += [one.__context__, one.__cause__]
    return None


def sentence(error: BaseException, command: str) -> str:
    """Returns the sentence about an error, for a command that goes on with something else."""
    text, _, report = _said(error, command)
    kept = [report, _kept_traceback(error)] if report else []
    return " ".join([text, *kept, *getattr(error, "__notes__", ())])


def _said(error: BaseException, command: str) -> tuple[str, int, str]:
    """Returns the sentence about an error, the exit status, and how to ask for a report of it."""
    if isinstance(error, (KeyboardInterrupt, Interrupted)):
        began = (
            ""
            if isinstance(error, Interrupted) and error.status == STATUS_FAILED
            else "interrupted."
        )
        status = 130 + 13 * isinstance(error, Terminated)
        return f"{began} {error}".strip(), getattr(error, "status", status), ""
    if is_users(error, OWN_PACKAGES | _packages_of_plugins()):
        return str(error), STATUS_USAGE, ""
    if isinstance(error, (Failed, PluginError)):
        return str(error), STATUS_FAILED, ""
    if isinstance(error, OSError):
        return _of_system(error), STATUS_FAILED, ""
    if isinstance(error, MemoryError) or any(said in str(error) for said in OUT_OF_MEMORY):
        less = f"fewer `steps`, a smaller {_size(command)}"
        return f"memory ran out. Ask for less at once: {less}.", STATUS_FAILED, ""
    first = (str(error).strip() or "no message").splitlines()[0]
    what = f"{type(error).__name__}: {first}"
    if model := _failed_model(error):
        why = "Its files may be damaged or not fit each other, or the library not this machine."
        return f"{model} says: {what}. {why}", STATUS_FAILED, "If neither is so, please report it"
    text = f"this is a bug, and not something that you did wrong: {what}."
    return text, STATUS_BUG, "Please report it"


def _failed_model(error: BaseException) -> str:
    """Returns which model was at work and in which library; empty if it was none, or our code."""
    keys, name = [""], ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        one, name = frame.f_locals.get("self"), frame.f_globals.get("__name__", "")
        if isinstance(one, FlowModel):
            keys.append(getattr(one, "key", type(one).__name__))
    library = name.partition(".")[0]
    if not keys[-1] or library in OWN_PACKAGES:
        return ""
    return f"the model {keys[-1]!r} failed: {library}"


def _size(command: str) -> str:
    return "`max_batch`" if command in ("sample", "compare", "calibrate") else "model or file"


def _of_system(error: OSError) -> str:
    """Returns the sentence about an error of the operating system."""
    if error.errno == errno.EPIPE:
        return "the output was closed by its reader, so the rest of it is not printed."
    if error.errno is None:
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    where = "the output" if error.filename is None else repr(_short(str(error.filename)))
    remedy = REMEDIES.get(error.errno)
    return f"{where}: {error.strerror}." + (f" {remedy}." if remedy else "")


def _short(path: str) -> str:
    half = LONGEST_SHOWN // 2
    return path if len(path) <= LONGEST_SHOWN else f"{path[:half]}...{path[-half:]}"


def _packages_of_plugins() -> set[str]:
    """Returns the packages of what plugins brought, whose ValueErrors are deliberate too."""
    try:
        catalog = installed()
    except PluginError:
        return set()
    brought = [entry.component for entry in catalog.entries]
    brought += [command.run for command in catalog.commands.values()]
    return {getattr(one, "__module__", "").partition(".")[0] for one in brought}


def _kept_traceback(error: BaseException) -> str:
    """Writes a traceback to a file, and returns where; if that fails, returns how to see it."""
    options: dict[str, Any] = {"prefix": "fastflow-", "suffix": ".traceback.txt"}
    try:
        with tempfile.NamedTemporaryFile(
            "w", delete=False, encoding="utf-8", errors="backslashreplace", **options
        ) as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return "with its traceback, which --traceback shows."
    return f"with its traceback, which is in {file.name}."
