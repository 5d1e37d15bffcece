"""Configuration nodes, derived from the fields of components: the signature is the schema.

A node holds the name of its component (`NAME`) and its parameters; a parameter that is itself a
component is a nested node. No node names a class.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from hydra.core.config_store import ConfigStore

from fastflow.registry.catalog import Catalog
from fastflow.registry.hooks import KINDS
from fastflow.registry.texts import is_text

NAME = "component"  # the entry of a node with the name of its component
PLAIN = (int, float, str, bool)


def store_nodes(catalog: Catalog) -> None:
    """Registers a node for every component with Hydra, in the group of its kind."""
    store = ConfigStore.instance()
    for entry in catalog.entries:
        node = _node(entry.name, entry.component, catalog)
        store.store(group=entry.kind, name=entry.name, node=node)


def store_settings(settings: type) -> None:
    """Registers a command's settings with Hydra, with a field for a component of each kind."""
    parts = [(name, Any, None) for name in ("names", *KINDS)]
    node = dataclasses.make_dataclass(settings.__name__, parts, bases=(settings,))
    ConfigStore.instance().store(name=settings.__name__, node=node)


def kind_of_field(hint: Any) -> str | None:
    """Returns the kind of component that a field holds; None if it holds none."""
    if isinstance(hint, type):
        return next((kind for kind, k in KINDS.items() if issubclass(hint, k.base)), None)
    return None


def _node(name: str, component: type, catalog: Catalog) -> type:
    """Returns a structured config of a component: its name, fields, types and defaults."""
    hints = get_type_hints(component)
    fields: list[Any] = [(NAME, str, name)]
    nested: list[Any] = []
    for f in dataclasses.fields(component):
        if kind := kind_of_field(hints[f.name]):
            nested.append({f"/{kind}@{f.name}": catalog.name_of(kind, f.default) or "???"})
        else:
            fields.append((f.name, _plain(hints[f.name]), _default(f)))
    if nested:
        order = [*nested, "_self_"]
        defaults = dataclasses.field(default_factory=lambda: list(order))
        fields.append(("defaults", list[Any], defaults))
    return dataclasses.make_dataclass(component.__name__, fields)


def _default(field: dataclasses.Field) -> Any:
    """Returns a field's default in the form of a structured config; ``???`` if it has none."""
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    if default is dataclasses.MISSING:
        return "???"
    if isinstance(default, Path):
        return str(default)
    if isinstance(default, (tuple, list)):
        items = [str(item) if isinstance(item, Path) else item for item in default]
        return dataclasses.field(default_factory=lambda: list(items))
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
