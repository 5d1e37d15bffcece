"""Nested components: completed with their defaults, and chosen at any depth."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf, StringNode
from omegaconf.errors import OmegaConfBaseException

from fastflow.registry.catalog import Catalog
from fastflow.registry.hooks import KINDS
from fastflow.registry.messages import ConfigError, plain_words, unknown_setting, unreadable
from fastflow.registry.nodes import LISTS, NAME, Slot, default_of, node_of, slots_of, values_of
from fastflow.registry.texts import find

Named = Callable[[str, str], Mapping[str, Any]]


class Nesting:
    """Completes the components of a configuration, and places values in them.

    Hydra composes the outermost components only. What they hold may be stated in a file or on the
    command line as a name, ``inner: ucb``, or as a node, ``inner: {component: ucb, gamma: 2}``.

    Args:
        catalog: the installed components.
        named: returns the plain node of a component or preset, by kind and name; raises a
            ConfigError that suggests similar names if there is none.
        root: the command, for messages.
    """

    def __init__(self, catalog: Catalog, named: Named, root: str = "sample"):
        self.catalog, self.named, self.root = catalog, named, root

    def complete(self, kind: str, node: Any, where: str) -> DictConfig:
        """Returns a node with all its parameters, of their types, and those of nested ones.

        Args:
            kind: the kind of component.
            node: its plain node; what it does not state has its default.
            where: the dotted name of the node, for messages.

        Raises:
            ConfigError: if a name, a parameter or a value is wrong.
        """
        if isinstance(node, str):
            node = self.named(kind, node)
        if not isinstance(node, Mapping) or not isinstance(node.get(NAME), str):
            raise ConfigError(f"`{where}` must name a `{NAME}` and its parameters, got {node!r}.")
        if node[NAME] not in self.catalog.names(kind):
            node = {**self.named(kind, node[NAME]), **_without(node, NAME)}
        component = self.catalog.get(kind, node[NAME])
        whole = OmegaConf.structured(node_of(node[NAME], component, chooses=False))
        parameters = list(whole.keys())  # `in` finds none that is missing
        if unknown := [key for key in node if key not in parameters]:
            names = [f"{where}.{key}" for key in parameters]
            raise ConfigError(unknown_setting(f"{where}.{unknown[0]}", names, self.root))
        for key, value in node.items():
            _assign(whole, key, value, where)
        self._fill(whole, component, where)
        return whole

    def _fill(self, whole: DictConfig, component: type, where: str) -> None:
        """Completes the components that a component holds."""
        slots = slots_of(component)
        for f in dataclasses.fields(component):
            if slot := slots.get(f.name):
                default = default_of(f)
                if default is not dataclasses.MISSING:
                    default = self._values(slot, default)
                stated = _plain_of(whole, f.name)
                if stated == MISSING and default is not dataclasses.MISSING:
                    stated = default
                else:
                    stated = _added(default, stated)
                whole[f.name] = self._held(slot, stated, f"{where}.{f.name}")

    def _values(self, slot: Slot, default: Any) -> Any:
        if slot.many and default is not None:
            return [values_of(self.catalog, slot.kind, part) for part in default]
        return values_of(self.catalog, slot.kind, default)

    def _held(self, slot: Slot, stated: Any, where: str) -> Any:
        """Returns what a field holds, completed: a node, a list of nodes, None or ``???``."""
        if stated == MISSING or (stated is None and slot.optional):
            return stated
        if not slot.many:
            return self._one(slot, stated, where)
        if not isinstance(stated, (list, tuple)):
            raise ConfigError(f"`{where}` must be a list of {slot.kind} names, got {stated!r}.")
        return [self._one(slot, part, f"{where}.{i}") for i, part in enumerate(stated)]

    def _one(self, slot: Slot, stated: Any, where: str) -> DictConfig:
        if stated is None or not isinstance(stated, (str, Mapping)):
            got = "null" if stated is None else repr(stated)
            raise ConfigError(f"`{where}` must name a {slot.kind}, got {got}.")
        return self.complete(slot.kind, stated, where)

    def place(self, config: DictConfig, override: str, texts: dict[str, str]) -> None:
        """Sets what an override such as ``policy.inner.reward=paper`` says.

        Args:
            config: the configuration, with completed components.
            override: a word of the command line, whose first name is a kind.
            texts: takes the value of a setting that holds text, by its dotted name.

        Raises:
            ConfigError: if there is no such setting, no such component, or the value is wrong.
        """
        key, _, text = override.lstrip("+").partition("=")
        node, field, slot = self._find(config, key)
        if slot is None and isinstance(find(config, key), StringNode):
            texts[key] = text
            return
        if message := unreadable([override], [key], self.root):
            raise ConfigError(message)
        value = OverridesParser.create().parse_override(override).value()
        if slot is None:
            _update(config, key, value)
            return
        if field.isdigit():
            node[int(field)] = self._one(slot, value, key)
            return
        node[field] = self._held(slot, _added(_plain_of(node, field), value), key)

    def _find(self, config: DictConfig, key: str) -> tuple[Any, str, Slot | None]:
        """Returns the node that holds the last name of a key, that name, and its slot.

        A name below a field that holds no component ends the search there, with no slot.
        """
        kind, *path = key.split(".")
        node, slot = config.get(kind), Slot(kind, KINDS[kind].base)
        while path and isinstance(node, DictConfig) and NAME not in node:
            node = node.get(path.pop(0))  # a list of names has a node for each
        while path and isinstance(node, DictConfig):
            name = path.pop(0)
            if name not in list(node.keys()):
                break
            held = slots_of(self.catalog.get(slot.kind, node[NAME])).get(name)
            if held is None or not path:
                return node, name, held
            node, slot = None if OmegaConf.is_missing(node, name) else node[name], held
            if isinstance(node, ListConfig) and path[0].isdigit() and int(path[0]) < len(node):
                i = path.pop(0)
                if not path:
                    return node, i, slot._replace(many=False, optional=False)
                node = node[int(i)]
            if node is None:
                where = key.removesuffix("." + ".".join(path))
                raise ConfigError(f"`{where}` is null: choose a {slot.kind} first, {where}=NAME.")
        else:
            node = None
        names = _beside(key, path, node) or keys_of(config)
        raise ConfigError(unknown_setting(key, names, self.root))

    def complete_all(self, config: DictConfig) -> DictConfig:
        """Completes all components of a configuration, and returns it."""
        for holder, key, kind, where in _components(config):
            holder[key] = self.complete(kind, plain(holder[key]), where)
        return config

    def missing(self, config: DictConfig) -> Iterator[str]:
        """Yields a sentence for each component that has to be chosen and is not."""
        for holder, key, kind, where in _components(config):
            yield from self._missing(kind, holder[key][NAME], holder[key], where)

    def _missing(self, kind: str, name: Any, node: DictConfig, where: str) -> Iterator[str]:
        for field, slot in slots_of(self.catalog.get(kind, name)).items():
            here = f"{where}.{field}"
            if OmegaConf.is_missing(node, field):
                yield f"`{here}` is missing. Choose a {slot.kind}: {here}=NAME."
                continue
            held = node[field]
            for i, part in enumerate(held if isinstance(held, ListConfig) else [held]):
                below = f"{here}.{i}" if isinstance(held, ListConfig) else here
                if part is not None:
                    yield from self._missing(slot.kind, part[NAME], part, below)


def is_inside(override: str) -> bool:
    """Returns whether an override sets something inside a component, such as ``policy.gamma=2``.

    Hydra's own forms, ``reward@policy.reward=paper`` and ``~policy.gamma``, are left to it.
    """
    key = override.partition("=")[0].lstrip("+")
    return "@" not in key and key.partition(".")[0] in KINDS and "." in key


def depth(override: str) -> int:
    """Returns how deep inside a component an override sets something."""
    return override.partition("=")[0].count(".")


def keys_of(node: DictConfig, prefix: str = "") -> list[str]:
    """Returns the dotted names of all settings below a node."""
    names = []
    for key in node:
        name = f"{prefix}{key}"
        child = node._get_node(key)
        names += keys_of(child, f"{name}.") if isinstance(child, DictConfig) else [name]
    return names


def plain(node: Any) -> Any:
    """Returns a node as plain values, whose interpolations are left as they are."""
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node


def _components(config: DictConfig) -> Iterator[tuple[DictConfig, str, str, str]]:
    """Yields the components of a configuration: what holds each, as what, its kind and place."""
    for kind in KINDS:
        node = config.get(kind)
        if not isinstance(node, DictConfig):
            continue
        if NAME not in node and kind in LISTS.values():
            yield from ((node, str(name), kind, f"{kind}.{name}") for name in node)
        else:
            yield config, kind, kind, kind


def _plain_of(node: DictConfig, field: str) -> Any:
    return MISSING if OmegaConf.is_missing(node, field) else plain(node[field])


def _beside(key: str, rest: Sequence[str], node: DictConfig | None) -> list[str]:
    """Returns the names beside an unknown one of a key that are similar to it."""
    *before, name = key.split(".")[: len(key.split(".")) - len(rest)]
    known = [] if node is None else [str(k) for k in node if k != NAME]
    return [".".join([*before, near]) for near in difflib.get_close_matches(name, known)]


def _added(held: Any, stated: Any) -> Any:
    """Returns what was stated, added to the node that is there if it names no component itself."""
    adds = isinstance(stated, Mapping) and NAME not in stated
    return {**held, **stated} if adds and isinstance(held, Mapping) and NAME in held else stated


def _without(node: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in node.items() if k != key}


def _assign(node: DictConfig, key: str, value: Any, where: str) -> None:
    try:
        node[key] = value
    except OmegaConfBaseException as error:
        raise ConfigError(plain_words(error, f"{where}.{key}")) from error


def _update(config: DictConfig, key: str, value: Any) -> None:
    try:
        OmegaConf.update(config, key, value, merge=True)
    except OmegaConfBaseException as error:
        raise ConfigError(plain_words(error, key)) from error
