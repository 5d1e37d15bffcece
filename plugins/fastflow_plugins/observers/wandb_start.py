"""How a run of W&B begins: online or offline, new or again, and what is said if it cannot."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from fastflow.sampling import check_schema, parse_json, read_bounded, write_whole

_WAIT = 20  # seconds to wait for W&B at the start and at the end
_MODE = "WANDB_MODE"
_MODES = ("online", "offline", "shared", "disabled", "dryrun", "run")
_SENDING = ("online", "shared", "run")
_HOSTS = ("wandb", "coreweave")  # in the names of the servers
_KEYS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
_IDENTITY = "wandb.json"  # in a run directory: which run of W&B it is
_STAGING = "WANDB_DATA_DIR"  # where W&B keeps the files of artifacts until they are uploaded
_TO_ITSELF = {"WANDB_ERROR_REPORTING": "false", _MODE: "offline"}
_ID = re.compile(r"[\w-]{1,64}")


def wandb_mode(online: bool) -> Any:
    """Returns the mode of W&B: WANDB_MODE if that is set, else online only if that is asked for.

    Args:
        online: whether it is asked for by a setting; ``wandb agent`` asks for it as well.
    """
    asked = os.environ.get(_MODE, "")
    if asked and asked not in _MODES:
        note_line(
            f"WANDB_MODE must be one of {', '.join(_MODES)}, got {asked!r}: taken as offline."
        )
        return "offline"
    by_agent = "WANDB_SWEEP_ID" in os.environ
    chosen = asked or ("online" if online or by_agent else "offline")
    if chosen in _SENDING and not _is_logged_in():
        note_line("nobody is logged in to W&B (wandb login): this becomes an offline run.")
        return "offline"
    return chosen


def _is_logged_in() -> bool:
    """Returns whether the environment has a key, or `wandb login` has left one."""
    if any(os.environ.get(key) for key in _KEYS):
        return True
    own = urlsplit(os.environ.get("WANDB_BASE_URL", "")).hostname
    try:
        hosts = netrc(os.environ.get("NETRC")).hosts
    except (OSError, NetrcParseError):
        return False
    return own in hosts or any(name in host for host in hosts for name in _HOSTS)


def begun(folder: Path, chosen: Any, options: Mapping[str, Any]) -> Any:
    """Returns a run of W&B, offline if it cannot be reached; None if there can be none at all.

    Args:
        folder: where offline runs are written.
        chosen: the mode.
        options: further arguments of ``wandb.init``; with ``id``, that run goes on.
    """
    import wandb

    waits: Any = {"init_timeout": _WAIT, "finish_timeout": _WAIT}
    settings = wandb.Settings(silent=True, console="off", **waits)
    again = {"resume": "allow"} if "id" in options else {}
    for attempt in dict.fromkeys((chosen, "offline")):
        try:
            run = wandb.init(
                dir=str(folder), mode=attempt, settings=settings, **{**options, **again}
            )
            if attempt in _SENDING:
                note_line(f"mirrored to {run.url}")
            return run
        except Exception as error:  # whatever it is: the run does not need W&B
            if attempt != "offline":
                note_line(
                    f"W&B cannot be used ({first_line(error)}): this becomes an offline run."
                )
                continue
            note_line(f"W&B cannot be used ({first_line(error)}): this run is not mirrored.")
    return None


@contextmanager
def kept_here(folder: Path, chosen: str) -> Iterator[None]:
    """Keeps what W&B writes beside the run, and an offline run to itself.

    Without a place in the environment, W&B keeps tables in the user's home, where nobody ever
    removes them; and it reports its own use to its server, offline runs included.
    """
    own = {_STAGING: str(folder.resolve() / "wandb")}
    own |= {} if chosen in _SENDING else _TO_ITSELF
    kept = {name for name in own if name in os.environ}
    if os.environ.get(_MODE) not in _MODES:  # W&B refuses another value altogether
        kept.discard(_MODE)
    before = {name: os.environ.get(name) for name in own.keys() - kept}
    os.environ.update({name: own[name] for name in before})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})


def remember(run_dir: Path, run_id: str, project: str) -> None:
    """Writes down which run of W&B a run directory is."""
    content = {"id": run_id, "project": project}
    write_whole(run_dir / _IDENTITY, json.dumps(content) + "\n")


def remembered(run_dir: Path, project: str) -> str | None:
    """Returns the id of the run of W&B that a run directory is; None if it has none in a project.

    A file that cannot be read is told, and the run becomes a new one of W&B.
    """
    path = run_dir / _IDENTITY
    if not path.is_file():
        return None
    try:
        content = parse_json(read_bounded(path, str(path), "a run's wandb.json"), str(path))
        check_schema(dict[str, str], content, str(path))
        if not _ID.fullmatch(content.get("id", "")):
            raise ValueError(f"{path} has no `id` of a run.")
    except ValueError as error:
        note_line(f"{first_line(error)}: this becomes a new run of W&B.")
        return None
    return content["id"] if content.get("project") == project else None


def note_line(text: str) -> None:
    """Prints a line above progress bars."""
    tqdm.write(f"fastflow: {text}", file=sys.stderr)


def first_line(error: Exception) -> str:
    """Returns what an error says, in one line without a full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
