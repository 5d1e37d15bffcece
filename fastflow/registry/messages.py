"""Errors of a configuration, in words that say what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from fastflow.registry.hooks import KINDS


class ConfigError(ValueError):
    """A command line, preset or stored configuration that cannot be used."""


def foreign_kind(error: Exception, root: str) -> str | None:
    """Returns the message for a kind that takes no part in a command, if the error is that."""
    found = re.search(r"Could not override '(\w+)'", _text(error))
    if found and found[1] in KINDS:
        return f"`{found[1]}` plays no part in `fastflow {root}`. Leave it out."
    return None


def unknown_key(error: Exception) -> str | None:
    """Returns the dotted name of the setting that does not exist, if the error is that."""
    text = _text(error)
    unknown = re.search(r"Key '([^']+)' is not in struct|Key '([^']+)' not in '", text)
    where = re.search(r"full_key: (\S+)", text)
    if not unknown:
        return None
    return where[1] if where else unknown[1] or unknown[2]


def unknown_setting(key: str, known: Iterable[str], root: str) -> str:
    """Returns the message for a setting that does not exist, with those that come near."""
    near = difflib.get_close_matches(key, list(known), n=3)
    hint = f"Did you mean {' or '.join(f'`{name}`' for name in near)}? " if near else ""
    return f"there is no setting `{key}`. {hint}`fastflow {root} --cfg` prints all settings."


def without_internals(error: Exception) -> str:
    """Returns the text of an error of Hydra or OmegaConf without what only they understand."""
    return re.sub(r"\n\s*(object_type=|reference_type=|set env).*", "", _text(error), flags=re.I)


def _text(error: Exception) -> str:
    return "\n".join(str(e).strip() for e in (error, error.__cause__) if e)
