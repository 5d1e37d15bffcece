"""Messages for errors of a configuration, each with a remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from fastflow.errors import UserError
from fastflow.registry.hooks import KINDS

NOT_SETTINGS = ("hydra", "names", "defaults")  # in a configuration, but not for users
KEY_VALUE = "settings are written key=value, such as steps=20 or prompt='a cat'."
TYPES = {  # of OmegaConf and Python, in words
    "Float": "a number",
    "Integer": "a whole number",
    "Boolean": "true or false",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a mapping",
    "list": "a list",
    "AnyNode": "one value",
}
PLAIN_WORDS = {  # what Hydra and OmegaConf say, and what it means; {0} is the setting
    r"Value '(.*)' of type '\w+' could not be converted to (\w+)": "{0} must be {2}, got '{1}'.",
    r"Value '(.*)' is not a valid bool": "{0} must be true or false, got '{1}'.",
    r"Value '(.*)' \(\w+\) is not": "{0} cannot be '{1}'.",
    r"is not Optional|Incompatible value 'None'": "{0} must have a value, got null.",
    r"Cannot convert '(\w+)' to string: '(.*?)'": "{0} must be a text, got '{2}'.",
    r"assigned: (\w+) is not a ListConfig": "{0} must be a list such as [a,b], got {1}.",
    r"Cannot merge DictConfig with ListConfig": "{0} must be a list such as [a,b].",
    r"Cannot merge ListConfig with DictConfig": "{0} must be a mapping such as {{name:value}}.",
    r"Cannot assign (\w+) to Dict": "{0} must be a mapping such as {{name:[value]}}, got {1}.",
    r"Invalid value assigned: (\w+)": "{0} cannot be {1}.",
    r"Missing value at index": "{0} must be given: ??? stands for a value that is missing.",
    r"Interpolation key '(.*?)' not found": "{0} refers to `{1}`, which is no setting.",
    r"Environment variable '(.*?)' not found": "{0} refers to the variable {1}, which is not set.",
    r"nsupported interpolation type (\w+)": "{0} refers to `{1}:`, which means nothing here.",
    r"rror merging override \S*?=(.*)": "{0} cannot be {1}.",
    r"Could not override '(.*?)'": "there is no setting `{1}`.",
    r"In '.*?': Could not find '(.*?)'": "there is no preset '{1}'.",
    r"Multiple values for (\S+?)\.": "`{1}` is given twice. Give it once.",
    r"does not support sweep type": "an interval needs a sweeper that draws from it, such as "
    "`hydra/sweeper=optuna`.",
    r"Sweeping over Hydra's": "Hydra's own settings can have one value only.",
    r"ecursive interpolation|InterpolationResolutionError": "{0} refers to itself.",
}


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


def no_yaml(error: Exception) -> str:
    """Returns the message for a preset that is not plain YAML."""
    mark = getattr(error, "problem_mark", None)
    place = f"{mark.name}, line {mark.line + 1}," if mark else "a preset"
    return f"{place} is not plain YAML. A preset has names and values, and no tags."


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
        if _is_open(value):
            return f"`{key}` must be given: ??? stands for a value that is missing."
        if _reads(word):
            continue
        if not equals:
            return f"{word!r} is not a setting: {KEY_VALUE}"
        if key not in known:
            return unknown_setting(key, known, root)
        return (
            f"`{key}` must be a number, a name, true, false, null or a list such as [1,2], got "
            f"{value!r}."
        )
    return None


def refused(words: Sequence[str], names: Iterable[str], root: str) -> str | None:
    """Returns the message for the first word that asks for what a configuration cannot do.

    Args:
        words: the words of a command line.
        names: the dotted names of all settings outside of components.
        root: the command.
    """
    known = [name for name in names if name not in NOT_SETTINGS]
    for word in words:
        key, equals, value = word.partition("=")
        name = key.lstrip("+~")
        head = name.partition(".")[0].partition("@")[0]
        if equals and not name.strip():
            return f"{word!r} names no setting: {KEY_VALUE}"
        if key.startswith("~"):
            return f"{word!r}: a setting cannot be removed. Give another value: {name}=VALUE."
        if "@" in name and name.partition("@")[0] not in KINDS:
            return unknown_setting(name, known, root)
        if head in NOT_SETTINGS or (key.startswith("+") and head not in known):
            return unknown_setting(name, known, root)
        if key.startswith("+") and head not in KINDS:
            return f"{word!r}: `{name}` is a setting of its own. Write {name}={value}."
    return None


def beside_resume(words: Sequence[str]) -> str | None:
    """Returns a message for a setting beside ``resume=DIR``, which would have no effect.

    What is resumed has its own configuration; `force` is the only other setting that it takes.
    """
    pairs = [word.partition("=") for word in words]
    settings = {key.lstrip("+~"): value for key, _, value in pairs}
    others = [name for name in settings if name not in ("resume", "force")]
    if not settings.get("resume") or not others:
        return None
    return (  # the last one: words that a command adds of itself come first
        f"`{others[-1]}` cannot be given with `resume`: what is resumed goes on with its own "
        "configuration. Leave it out, or begin anew without `resume`."
    )


def plain_words(error: Exception, key: str = "") -> str:
    """Returns the message for an error of Hydra or OmegaConf, in words of our own.

    Args:
        error: what was raised.
        key: the dotted name of the setting, if it is known better than by the error.
    """
    causes = [e for e in (error, error.__cause__, error.__context__) if e is not None]
    keys = (getattr(e, "full_key", None) for e in causes)
    name = key or next((str(k) for k in keys if k), "")
    if not name and (word := getattr(error, "override", None)):
        return f"{word!r} cannot be read: {KEY_VALUE}"
    where, text = (f"`{name}`" if name else "a setting"), _text(error)
    for pattern, said in PLAIN_WORDS.items():
        if found := re.search(pattern, text, re.DOTALL):
            parts = [TYPES.get(part, part) for part in found.groups()]
            return said.format(where, *parts)
    return f"{where} cannot have this value. Its default is what --cfg prints without it."


def _is_open(value: str) -> bool:
    """Returns whether a value is, or lists, the sign of one that has to be given yet."""
    return "???" in re.split(r"[\[\],\s'\"]+", value)


def _reads(word: str) -> bool:
    """Returns whether a word is one override and not a sweep over several."""
    try:
        return not OverridesParser.create().parse_override(word).is_sweep_override()
    except HydraException:
        return False


def _text(error: Exception) -> str:
    return "\n".join(str(e).strip() for e in (error, error.__cause__) if e)
