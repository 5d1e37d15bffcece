"""Text in configurations: taken as it is given, and nothing in it is read as a language.

Hydra reads the words of a command line by a grammar, and OmegaConf resolves ``${...}`` in what it
holds. Both are meant for numbers, lists and names. A prompt or a path is neither: which settings
hold text is known from their types, and their values pass by both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from omegaconf import DictConfig, ListConfig, StringNode

from fastflow.registry.messages import ConfigError

_SETTING = re.compile(r"\+{0,2}(\w+(?:\.\w+)*)=(.*)", re.DOTALL)
_ASKS = re.compile(r"\$\{[^}]*:")  # a resolver, and no name of a setting
_BREAKS = re.compile("[\x85\u2028\u2029]")  # line breaks to YAML, text to everybody else


def is_text(hint: Any) -> bool:
    """Returns whether a field's type is a text or a path, which may be optional."""
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not type(None)]
        return bool(parts) and all(map(is_text, parts))
    if get_origin(hint) is Literal:
        return all(isinstance(value, str) for value in get_args(hint))
    return isinstance(hint, type) and issubclass(hint, (str, Path))


def as_typed(hint: Any, value: Any) -> Any:
    """Returns a value with its texts as paths, if that is what a field's type asks for."""
    hints = {hint, *get_args(hint)}
    if Path not in hints or str in hints:
        return value
    if isinstance(value, (list, tuple)):
        return [Path(item) for item in value]
    return Path(value) if isinstance(value, str) else value


def check_all(settings: Mapping[str, Any]) -> None:
    """Raises a ConfigError for a setting with a number that nothing can be computed with."""
    for name, value in settings.items():
        check_numbers(f"`{name}`", value)


def check_numbers(name: str, value: Any) -> None:
    """Raises a ConfigError for a number that nothing can be computed with.

    Args:
        name: what the value is to the user, such as "`steps`".
        value: a value, or a list or mapping of values.
    """
    if isinstance(value, Mapping):
        for inner in value.values():
            check_numbers(name, inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            check_numbers(name, inner)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, got {value}.")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ConfigError(f"{name} must be a number between -2^63 and 2^63, got {value}.")


def separate(words: Sequence[str], shape: DictConfig) -> tuple[dict[str, str], list[str]]:
    """Separates the settings that hold text from the words that Hydra reads.

    Args:
        words: the words of a command line, such as ``["steps=4", "prompt=a cat, asleep"]``.
        shape: a configuration with the same components, which has the types.

    Returns:
        The texts by the dotted names of their settings, unchanged from the first ``=`` on, and
        the other words.
    """
    texts, others = {}, []
    for word in words:
        match = _SETTING.fullmatch(word)
        if match and isinstance(find(shape, match[1]), StringNode):
            texts[match[1]] = match[2]
        else:
            others.append(word)
    return texts, others


def put(content: dict[str, Any], texts: dict[str, str]) -> None:
    """Puts texts into a configuration's content, by the dotted names of their settings."""
    for name, text in texts.items():
        *path, last = name.split(".")
        node: Any = content
        for key in path:
            node = node[int(key)] if isinstance(node, list) else node[key]
        node[last] = text


def content_of(config: DictConfig) -> dict[str, Any]:
    """Returns a configuration's content: resolved, but for texts, which are as they were written.

    An entry that has no value yet (``???``) is left out.
    """
    return {str(key): _content(config, key) for key in config if not _open(config, key)}


def check_references(config: DictConfig | ListConfig, where: str = "") -> None:
    """Raises a ConfigError for a value that asks something outside, such as ``${oc.env:HOME}``.

    A setting that is no text may refer to another setting, as in ``${steps}``. A preset is often
    somebody else's, and what it was resolved to is stored and shown in reports.
    """
    keys: Any = config.keys() if isinstance(config, DictConfig) else range(len(config))
    for key in keys:
        name, node = f"{where}{key}", _node(config, key)
        if name == "hydra" or node is None or isinstance(node, StringNode):
            continue
        if node._is_interpolation():
            text = str(node._value())
            if _ASKS.search(text):
                raise ConfigError(
                    f"`{name}` is {text!r}, which asks for something outside of the settings. "
                    "Write the value itself."
                )
        elif node._is_none() or node._is_missing():
            continue
        elif isinstance(node, DictConfig | ListConfig):
            check_references(node, f"{name}.")


def find(config: DictConfig, name: str) -> Any:
    """Returns the node of a setting by its dotted name, such as ``model.path``; None if none."""
    node: Any = config
    for key in name.split("."):
        if isinstance(node, ListConfig) and key.isdigit() and int(key) < len(node):
            node = node._get_node(int(key))
            continue
        if not isinstance(node, DictConfig) or node._is_none() or node._is_interpolation():
            return None
        node = node._get_node(key, validate_access=False)
    return node


def as_yaml(content: Any) -> str:
    """Returns content as YAML from which every text comes back as it was."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def _node(config: DictConfig | ListConfig, key: Any) -> Any:
    return config._get_node(key)


def _content(config: DictConfig | ListConfig, key: Any) -> Any:
    node = config._get_node(key)
    if isinstance(node, StringNode):
        return node._value()
    value = config[key]
    if isinstance(value, DictConfig):
        return content_of(value)
    if isinstance(value, ListConfig):
        return list(_items(value))
    return value


def _items(config: ListConfig) -> Iterator[Any]:
    return (_content(config, i) for i in range(len(config)) if not _open(config, i))


def _open(config: DictConfig | ListConfig, key: Any) -> bool:
    """Returns whether a required entry has no value yet."""
    node: Any = config._get_node(key)
    return node is not None and node._is_missing()


class _Dumper(yaml.SafeDumper):
    """Writes texts with the rarer line breaks in quotes, where they are escaped; no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _BREAKS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)
