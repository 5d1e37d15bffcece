"""Messages for errors of a configuration, each with a remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from fastflow.errors import UserError
from fastflow.registry.hooks import KINDS


class ConfigError(UserError):
    """Raised for a command line, preset or stored configuration that cannot be used."""


def foreign_kind(error: Exception, root: str) -> str | None:
    """Returns the message for a kind that a command does not use, if that is the error."""
    match = re.search(r"Could not override '(\w+)'", _text(error))
    if match and match[1] in KINDS:
        return f"`{match[1]}` is not used by `fastflow {root}`. Leave it out."
    return None


def unknown_key(error: Exception) -> str | None:
    """Returns the dotted name of a setting that does not exist, if that is the error."""
    text = _text(error)
    unknown = re.search(r"Key '([^']+)' is not in struct|Key '([^']+)' not in '", text)
    where = re.search(r"full_key: (\S+)", text)
    if not unknown:
        return None
    return where[1] if where else unknown[1] or unknown[2]


def unknown_setting(key: str, names: Iterable[str], root: str) -> str:
    """Returns the message for a setting that does not exist, with similar ones."""
    hint = f"{similar(key, names)} ".lstrip()
    return f"there is no setting `{key}`. {hint}`fastflow {root} --cfg` prints all settings."


def similar(key: str, names: Iterable[str]) -> str:
    """Returns a question that suggests similar names; empty if there are none."""
    near = difflib.get_close_matches(key, list(names), n=3)
    return f"Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""


def unreadable(words: Sequence[str], names: Iterable[str], root: str) -> str | None:
    """Returns the message for the first word that Hydra's grammar cannot read; None if it can.

    Args:
        words: the words of a command line, without those whose value is text.
        names: the dotted names of all settings.
        root: the command.
    """
    known = list(names)
    for word in words:
        key, equals, value = word.partition("=")
        key = key.strip().lstrip("+~")
        if _reads(word):
            continue
        if not equals:
            return (
                f"{word!r} is not a setting: settings are written key=value, such as steps=20 or "
                "prompt='a cat'."
            )
        if key not in known:
            return unknown_setting(key, known, root)
        return (
            f"`{key}` must be a number, a name, true, false, null or a list such as [1,2], got "
            f"{value!r}."
        )
    return None


def without_internals(error: Exception) -> str:
    """Returns the text of an error of Hydra or OmegaConf without its internal details."""
    return re.sub(r"\n\s*(object_type=|reference_type=|set env).*", "", _text(error), flags=re.I)


def _reads(word: str) -> bool:
    """Returns whether a word is one override and not a sweep over several."""
    try:
        return not OverridesParser.create().parse_override(word).is_sweep_override()
    except HydraException:
        return False


def _text(error: Exception) -> str:
    return "\n".join(str(e).strip() for e in (error, error.__cause__) if e)
