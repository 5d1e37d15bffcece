"""Configurations: composed by Hydra, stored as plain YAML, built into components by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fastflow.registry import messages, texts
from fastflow.registry.catalog import Catalog, installed
from fastflow.registry.hooks import KINDS
from fastflow.registry.messages import ConfigError
from fastflow.registry.nesting import Nesting, depth, is_inside, keys_of, plain
from fastflow.registry.nodes import (
    LISTS,
    NAME,
    Slot,
    is_required,
    named_first,
    slots_of,
    store_nodes,
    store_settings,
)
from fastflow.registry.preset_folders import PresetFolder, check_apart, distinct, given
from fastflow.sampling.storage import write_whole

Config = dict[str, Any]
S = TypeVar("S")

IN_LISTS = tuple(f"{kind}." for kind in LISTS.values())
CLASS_PATH = "_target_"  # the entry in which version 0.1 stored a component's class


def presets() -> Path:
    """Returns the folder of presets, which is in the package, or next to it in a checkout."""
    package = Path(__file__).parents[1]
    return next(p for p in (package / "conf", package.parent / "conf") if p.is_dir())


def read(overrides: Sequence[str], root: str, settings: type) -> Config:
    """Composes the configuration of a command line such as ``["policy=ucb", "steps=50"]``.

    Args:
        overrides: the words of the command line.
        root: the command, whose name is that of its file in the folder of presets.
        settings: the dataclass of the command's own settings.

    Returns:
        The settings, a node for each component, and the chosen ``names`` by kind.

    Raises:
        ConfigError: for an unknown component, an unknown setting or a value of the wrong type.
    """
    catalog = installed()
    _prepare(catalog)
    store_settings(settings)
    outer = [o for o in overrides if not is_inside(o)]
    inside = [o for o in overrides if is_inside(o)]
    _check_names(outer, catalog)
    nesting = Nesting(catalog, _named, root)
    try:
        # the first composition finds the names in lists, each of which then adds its node
        chosen = [o for o in outer if _chooses(o) and not o.startswith("~")]
        _check_grammar(chosen, (*KINDS, *LISTS), root)
        first = _compose(root, chosen)
        if message := messages.refused(overrides, (*keys_of(first), *KINDS, *LISTS), root):
            raise ConfigError(message)
        listed = [
            f"+{kind}@{kind}.{name}={name}"
            for key, kind in LISTS.items()
            for name in _listed(first, key, catalog)
        ]
        given, words = texts.separate(outer, first)
        _check_grammar(words, keys_of(first), root)
        config = _compose(root, [*listed, *words], return_hydra_config=True)
        own = nesting.complete_all(_own(config))
        for override in sorted(inside, key=depth):  # what holds a component comes before it
            nesting.place(own, override, given)
        if message := next(nesting.missing(own), None):
            raise ConfigError(message)
        content = texts.content_of(own)
        texts.put(content, given)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, outer, root)) from error
    choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)
    names = {kind: choices[kind] for kind in KINDS if kind in choices}
    unused = {kind for kind in KINDS if content.get(kind) is None}
    used = {key: named_first(value) for key, value in content.items() if key not in unused}
    return used | {"names": names}


def preset(kind: str, name: str) -> Any:
    """Returns the component of a preset, such as the policy ucb_paper, or of a name.

    Raises:
        ConfigError: if there is neither of that name; suggests similar names.
    """
    catalog = installed()
    if name in catalog.names(kind):
        return catalog.get(kind, name)()
    _prepare(catalog)
    node = Nesting(catalog, _named).complete(kind, _named(kind, name), kind)
    return build(kind, texts.content_of(node))


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
        texts.check_numbers(f"{component.__name__}: `{key}`", value)
        if slot := slots.get(key):
            values[key] = _build_held(slot, value, f"{component.__name__}: `{key}`")
        else:
            values[key] = texts.as_typed(hints[key], value)
    try:
        return component(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{component.__name__}: {error}") from error


def _build_held(slot: Slot, node: Any, what: str) -> Any:
    """Returns the component, or the components, that a field of another one holds."""
    if node is None and slot.optional:
        return None
    if slot.many:
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
    nodes = config.get(LISTS[key]) or {}
    return {name: build(LISTS[key], nodes.get(name)) for name in dict.fromkeys(config[key] or ())}


def settings_of(config: Config, settings: type[S]) -> S:
    """Returns the command's own settings in a configuration, as their dataclass checks them."""
    names = {f.name for f in dataclasses.fields(settings)}  # type: ignore[arg-type]
    own = {key: value for key, value in config.items() if key in names}
    texts.check_all(own)
    try:
        return settings(**own)
    except TypeError as error:  # a stored value of another type
        raise ConfigError(f"the settings are of wrong types: {error}.") from error


def to_yaml(config: Config) -> str:
    """Returns a configuration as YAML."""
    return texts.as_yaml(config)


def save(config: Config, path: Path) -> None:
    """Writes a configuration as YAML, atomically."""
    write_whole(path, to_yaml(config))


def load(path: Path) -> Config:
    """Returns a configuration that `save` wrote; nothing in it is run, imported or resolved.

    Raises:
        ConfigError: if the file is not a YAML mapping, or was written by version 0.1.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("names"), dict):
        raise ConfigError(f"{path} is not the configuration of a run.")
    if _names_classes(config):
        raise ConfigError(
            f"{path} was written by an early fastflow 0.1, whose format named classes; such runs "
            "can no longer be opened. Run it again."
        )
    return config


def _names_classes(content: Any) -> bool:
    if isinstance(content, Mapping):
        return CLASS_PATH in content or any(map(_names_classes, content.values()))
    return isinstance(content, list) and any(map(_names_classes, content))


def _chooses(override: str) -> bool:
    """Returns whether a word chooses components of a run: ``policy=ucb``, ``metrics=[psnr]``."""
    key = override.partition("=")[0].lstrip("+~")
    kind, _, package = key.partition("@")
    return (kind in KINDS or kind in LISTS) and not f"{package}.".startswith(IN_LISTS)


def _compose(root: str | None, overrides: Sequence[str], **options: Any) -> DictConfig:
    more = [str(folder.path.resolve()).replace("'", "\\'") for folder in _folders()[1:]]
    quoted = ",".join(f"'file://{path}'" for path in more)
    search = [f"hydra.searchpath=[{quoted}]"] if more else []
    with initialize_config_dir(str(presets().resolve()), version_base="1.3"):
        return compose(root, overrides=[*search, *overrides], **options)


def _prepare(catalog: Catalog) -> None:
    """Makes components and presets known to Hydra, by names that each mean one thing."""
    store_nodes(catalog)
    check_apart(_folders(), [(entry.kind, entry.name) for entry in catalog.entries])


def _folders() -> list[PresetFolder]:
    """Returns all folders of presets, ours first."""
    return distinct([PresetFolder("fastflow", presets()), *given(), *installed().folders])


def _own(config: DictConfig) -> DictConfig:
    """Returns a configuration without Hydra's own settings."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _named(kind: str, name: str) -> Any:
    """Returns the plain node of a component or a preset.

    Raises:
        ConfigError: if there is neither of that name; suggests similar names.
    """
    if name in installed().names(kind):
        return {NAME: name}
    _check_name(kind, name, installed())
    return plain(_compose(None, [f"+{kind}={name}"])[kind])


def _check_names(overrides: Sequence[str], catalog: Catalog) -> None:
    """Raises a ConfigError for an unknown component such as ``policy=ucbb``."""
    for override in overrides:
        group, _, name = override.partition("=")
        kind = group.split("@")[0].lstrip("+")
        if kind in KINDS and "," not in name:
            _check_name(kind, name, catalog)


def _check_name(kind: str, name: str, catalog: Catalog) -> None:
    files = [own for folder in _folders() for of, own in folder.presets if of == kind]
    if name not in catalog.names(kind) + files:
        raise ConfigError(catalog.unknown(kind, name, files))


def _check_grammar(words: Sequence[str], names: Iterable[str], root: str) -> None:
    if message := messages.unreadable(words, names, root):
        raise ConfigError(message)


def _listed(first: DictConfig, key: str, catalog: Catalog) -> list[str]:
    """Returns the names in a list, checked; those of all groups if the list is None."""
    if (names := first.get(key, ())) is None:
        names = [name for group in first.groups.values() for name in group]
    for name in names:
        if not isinstance(names, Sequence) or not isinstance(name, str):
            raise ConfigError(f"`{key}` must list names of its kind, got {name!r} in it.")
        _check_name(LISTS[key], name, catalog)
    return list(dict.fromkeys(names))


def _explain(error: Exception, overrides: Sequence[str], root: str) -> str:
    """Returns the message, with a remedy, for an error of Hydra or OmegaConf."""
    if message := messages.foreign_kind(error, root):
        return message
    if (key := messages.unknown_key(error)) is None:
        return messages.plain_words(error)
    choices = [o for o in overrides if o.partition("=")[0].split("@")[0] in KINDS]
    whole = Nesting(installed(), _named, root).complete_all(_compose(root, choices))
    return messages.unknown_setting(key, keys_of(whole), root)
