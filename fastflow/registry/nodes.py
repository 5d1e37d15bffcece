"""Configuration nodes, derived from the fields of components: the signature is the schema.

A node holds the name of its component (`NAME`) and its parameters; a parameter that is itself a
component is a nested node. No node names a class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from fastflow.registry.catalog import Catalog
from fastflow.registry.hooks import KINDS
from fastflow.registry.texts import is_text

NAME = "component"  # the entry of a node with the name of its component
PLAIN = (int, float, str, bool)
# settings that list names of components, each with its own node
LISTS = {"metrics": "metric", "observers": "observer", "methods": "method"}


_STORED: dict[str, Any] = {}  # the catalog whose nodes are registered, and with what


class Slot(NamedTuple):
    """Describes a field that holds a component.

    Args:
        kind: the kind of the component.
        base: the class that it has to be an instance of.
        optional: whether the field may also be None.
        many: whether it holds a sequence of components.
    """

    kind: str
    base: type
    optional: bool = False
    many: bool = False


def store_nodes(catalog: Catalog) -> None:
    """Registers a node for every component with Hydra, in the group of its kind, once."""
    store = ConfigStore.instance()
    if _STORED.get("store") is store and _STORED["catalog"] is catalog:
        return
    for entry in catalog.entries:
        store.store(group=entry.kind, name=entry.name, node=node_of(entry.name, entry.component))
    _STORED.update(store=store, catalog=catalog)


def store_settings(settings: type) -> None:
    """Registers a command's settings with Hydra, with a field for a component of each kind."""
    parts = [(name, Any, None) for name in ("names", *KINDS)]
    node = dataclasses.make_dataclass(settings.__name__, parts, bases=(settings,))
    ConfigStore.instance().store(name=settings.__name__, node=node)


def slots_of(component: type) -> dict[str, Slot]:
    """Returns the fields of a component's class that hold components, by name."""
    hints = get_type_hints(component)
    found = ((f.name, _slot(hints[f.name])) for f in dataclasses.fields(component))
    return {name: slot for name, slot in found if slot is not None}


def _slot(hint: Any) -> Slot | None:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType) and len(args) == 2 and type(None) in args:
        inner = _slot(next(a for a in args if a is not type(None)))
        return inner and inner._replace(optional=True)
    if origin in (tuple, list) and args:
        inner = _slot(args[0])
        return inner and inner._replace(many=True)
    if isinstance(hint, type):
        kinds = (kind for kind, k in KINDS.items() if issubclass(hint, k.base))
        return next((Slot(kind, hint) for kind in kinds), None)
    return None


def node_of(name: str, component: type, chooses: bool = True) -> type:
    """Returns a structured config of a component: its name, fields, types and defaults.

    Where a field holds a component, the node states nothing; `Nesting` adds the default.

    Args:
        name: the component's name.
        component: its class.
        chooses: whether presets may choose these components in Hydra's form, as in
            ``override /reward@reward: paper``.
    """
    hints, slots = get_type_hints(component), slots_of(component)
    fields: list[Any] = [(NAME, str, name)]
    for f in dataclasses.fields(component):
        if f.name in slots:
            fields.append((f.name, Any, MISSING))
        else:
            fields.append((f.name, _plain(hints[f.name]), _default(f)))
    if slots and chooses:
        order = ["_self_", *({f"/{slot.kind}@{name}": None} for name, slot in slots.items())]
        defaults = dataclasses.field(default_factory=lambda: list(order))
        fields.append(("defaults", list[Any], defaults))
    return dataclasses.make_dataclass(component.__name__, fields)


def values_of(catalog: Catalog, kind: str, component: Any) -> Any:
    """Returns the node of a component, as plain values; ``???`` if its class is not installed."""
    if component is None:
        return None
    name = catalog.name_of(kind, component)
    if name is None:
        return MISSING
    node: dict[str, Any] = {NAME: name}
    slots = slots_of(type(component))
    for f in dataclasses.fields(component):
        value = getattr(component, f.name)
        if slot := slots.get(f.name):
            parts = value if slot.many and value is not None else [value]
            nodes = [values_of(catalog, slot.kind, part) for part in parts]
            node[f.name] = nodes if slot.many and value is not None else nodes[0]
        else:
            node[f.name] = _stored(value)
    return node


def _stored(value: Any) -> Any:
    """Returns a parameter's value as a configuration holds it."""
    if isinstance(value, (tuple, list)):
        return [_stored(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def named_first(node: Any) -> Any:
    """Returns nested nodes with the names of their components at the top."""
    if not isinstance(node, dict):
        return node
    name = {NAME: node[NAME]} if NAME in node else {}
    return name | {key: named_first(value) for key, value in node.items() if key != NAME}


def is_required(field: dataclasses.Field) -> bool:
    """Returns whether a field of a component has to be given."""
    return field.init and field.default is field.default_factory is dataclasses.MISSING


def default_of(field: dataclasses.Field) -> Any:
    """Returns a field's default; ``dataclasses.MISSING`` if it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _default(field: dataclasses.Field) -> Any:
    """Returns a field's default in the form of a structured config; ``???`` if it has none."""
    default = default_of(field)
    if default is dataclasses.MISSING:
        return MISSING
    if isinstance(default, Path):
        return str(default)
    if isinstance(default, (tuple, list)):
        items = [str(item) if isinstance(item, Path) else item for item in default]
        return dataclasses.field(default_factory=lambda: list(items))
    if isinstance(default, Mapping):
        entries = dict(default)
        return dataclasses.field(default_factory=lambda: dict(entries))
    return default


def _plain(hint: Any) -> Any:
    """Returns the type that OmegaConf supports for a field's type; Any if there is none."""
    origin, args = get_origin(hint), get_args(hint)
    if is_text(hint):
        return str | None if type(None) in args else str
    if hint in PLAIN:
        return hint
    if origin in (tuple, list) and args and (args[0] in PLAIN or is_text(args[0])):
        return list[str] if is_text(args[0]) else list[args[0]]
    if len(args) == 2 and type(None) in args:
        inner = _plain(next(a for a in args if a is not type(None)))
        return inner | None if inner is not Any else Any
    return Any
