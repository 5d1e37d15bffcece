"""Components, built by kind and name, and the stored configurations that name them.

A stored configuration is data, whoever wrote it: it names components, of which only those that
are installed are built, and nothing in it is imported, run or resolved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from fastflow.registry import messages, texts
from fastflow.registry.catalog import installed
from fastflow.registry.hooks import KINDS
from fastflow.registry.messages import ConfigError
from fastflow.registry.nodes import LISTS, NAME, Slot, is_required, slots_of
from fastflow.sampling.foreign import check_schema, parse_yaml, read_bounded

Config = dict[str, Any]
S = TypeVar("S")

CLASS_PATH = "_target_"  # the entry in which version 0.1 stored a component's class


def build(kind: str, node: Any) -> Any:
    """Returns the component that a node of a kind describes.

    Raises:
        ConfigError: if there is no component of that name, a parameter is unknown or missing, or
            a value is out of range.
    """
    if not isinstance(node, Mapping) or not isinstance(node.get(NAME), str):
        raise ConfigError(f"`{kind}` must name a `{NAME}` and its parameters, got {node!r}.")
    component = installed().get(kind, node[NAME])
    parameters = [f.name for f in dataclasses.fields(component)]
    values = {key: value for key, value in node.items() if key != NAME}
    if unknown := sorted(str(key) for key in values.keys() - {*parameters}):
        hint = messages.similar(unknown[0], parameters)
        raise ConfigError(f"{kind} {node[NAME]!r} has no parameter `{unknown[0]}`. {hint}".strip())
    required = (f.name for f in dataclasses.fields(component) if is_required(f))
    if missing := [name for name in required if name not in values]:
        raise ConfigError(f"{kind} {node[NAME]!r} needs its parameter `{missing[0]}`. Give it.")
    hints, slots = get_type_hints(component), slots_of(component)
    for key, value in values.items():
        if slot := slots.get(key):
            values[key] = _build_held(slot, value, f"{component.__name__}: `{key}`")
        else:
            texts.check_numbers(f"{component.__name__}: `{key}`", value)
            check_schema(hints[key], value, f"{component.__name__}:", ConfigError, key)
            values[key] = texts.as_typed(hints[key], value)
    try:
        return component(**values)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(f"{component.__name__}: {error}") from error


def _build_held(slot: Slot, node: Any, what: str) -> Any:
    """Returns the component, or the components, that a field of another one holds."""
    if node is None and slot.optional:
        return None
    if slot.many:
        if not isinstance(node, list | tuple | None):
            raise ConfigError(f"{what} must be a list of {slot.kind} nodes, got {node!r:.60}.")
        one = slot._replace(many=False, optional=False)
        return [_build_held(one, part, what) for part in node or ()]
    held = build(slot.kind, node)
    if not isinstance(held, slot.base):
        raise ConfigError(f"{what} must be a {slot.base.__name__}, got {held!r}.")
    return held


def build_chosen(config: Config, kind: str) -> Any:
    """Returns the component of a kind that a configuration chooses; None if it has none."""
    node = config.get(kind)
    return None if node is None else build(kind, node)


def build_listed(config: Config, key: str) -> dict[str, Any]:
    """Returns the components named in a list such as ``metrics``, by name."""
    nodes, names = config.get(LISTS[key]) or {}, config.get(key) or ()
    return {name: build(LISTS[key], nodes.get(name)) for name in dict.fromkeys(names)}


def settings_of(config: Config, settings: type[S]) -> S:
    """Returns the command's own settings in a configuration, as their dataclass checks them."""
    names = {f.name for f in dataclasses.fields(settings)}  # type: ignore[arg-type]
    own = {key: value for key, value in config.items() if key in names}
    for key, value in own.items():
        texts.check_numbers(f"`{key}`", value)
    try:
        return settings(**own)
    except TypeError as error:  # a value of another type in a stored configuration
        raise ConfigError(f"the settings are of wrong types: {error}.") from error


def load(path: Path, settings: type | None = None, kinds: Collection[str] = ()) -> Config:
    """Returns a configuration that `save` wrote; nothing in it is run, imported or resolved.

    Args:
        path: the file.
        settings: the dataclass of the command's own settings, which are checked; None if they are
            not needed.
        kinds: the kinds of components that are needed, which are built once to check them.

    Raises:
        ConfigError: naming the file and the setting, if the file is not a YAML mapping, was
            written by version 0.1, or holds a setting, a component or a value that there is not.
    """
    try:
        config = parse_yaml(read_bounded(path, str(path), "a run's directory"), str(path))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(config, dict) or not isinstance(config.get("names"), dict):
        raise ConfigError(f"{path} is not the configuration of a run.")
    if _names_classes(config):
        raise ConfigError(
            f"{path} was written by an early fastflow 0.1, whose format named classes; such runs "
            "can no longer be opened. Run it again."
        )
    check_schema(dict[str, str | None], config["names"], str(path), ConfigError, "names")
    used = [kind for kind in kinds if isinstance(config.get(kind), dict) and NAME in config[kind]]
    if unnamed := [kind for kind in used if kind not in config["names"]]:
        raise ConfigError(f"{path} has a {unnamed[0]}, but no `names.{unnamed[0]}`.")
    if settings is not None:
        _check_settings(config, settings, path)
    _check_components(config, kinds, path)
    return config


def _names_classes(content: Any) -> bool:
    if isinstance(content, Mapping):
        return CLASS_PATH in content or any(map(_names_classes, content.values()))
    return isinstance(content, list) and any(map(_names_classes, content))


def _check_settings(config: Config, settings: type, path: Path) -> None:
    """Raises a ConfigError for a setting that there is not, or whose value has another type."""
    known = {f.name for f in dataclasses.fields(settings)}
    retired = getattr(settings, "retired", ())  # of an earlier version; not used any more
    for key in config.keys() - {"names", *KINDS, *known, *retired}:
        hint = messages.similar(key, known)
        raise ConfigError(f"{path} has `{key}`, and there is no such setting. {hint}".strip())
    values = {key: value for key, value in config.items() if key in known}
    check_schema(settings, values, str(path), ConfigError)
    try:
        settings_of(values, settings)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def _check_components(config: Config, kinds: Collection[str], path: Path) -> None:
    """Raises a ConfigError for a component that is needed and cannot be built by its name."""
    listed = {kind: key for key, kind in LISTS.items()}
    for kind in kinds:
        node = config.get(kind)
        if node is None and config["names"].get(kind) is not None:
            raise ConfigError(f"{path} has no `{kind}`. Use another copy, or run it again.")
        try:
            if kind in listed and node is not None:
                check_schema(dict[str, Any], node, "", ConfigError, kind)
                names = {name for name in config.get(listed[kind]) or () if name in node}
                for name in names if listed[kind] in config else node:
                    build(kind, node[name])
            elif node is not None:
                build(kind, node)
        except ValueError as error:
            raise ConfigError(f"{path}: {str(error).lstrip()}") from error
