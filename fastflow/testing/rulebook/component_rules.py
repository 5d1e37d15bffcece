"""Rules for components of every kind."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from fastflow.registry.hooks import KINDS
from fastflow.testing.rule import demand, rule

_PLAIN = (int, float, str, bool)
_VALUES: dict[Any, tuple] = {
    int: (-1, 0, 10**6),
    float: (-1.0, 0.0, 2.0, math.inf, math.nan),
    str: ("no such thing",),
    bool: (),
}


@rule
def is_a_frozen_dataclass(component: Any) -> None:
    """Its parameters, configuration, repr and log entry are derived from its fields."""
    demand(is_dataclass(component), f"{type(component).__name__} is not a dataclass")
    params = type(component).__dataclass_params__
    demand(params.frozen, f"{type(component).__name__} is not frozen")


@rule
def describes_itself_in_its_docstring(component: Any) -> None:
    """The first line is a sentence, which is shown wherever components are listed."""
    cls = type(component)
    line = (cls.__doc__ or "").strip().split("\n")[0]
    demand(line and not line.startswith(f"{cls.__name__}("), "there is no docstring")
    demand(line.endswith("."), f"the first line is not a sentence: {line!r}")


@rule
def survives_pickling(component: Any) -> None:
    """It is sent to other processes."""
    again = pickle.loads(pickle.dumps(component))
    demand(again == component, f"it was unpickled as {again!r}")


@rule
def its_repr_makes_an_equal_one(component: Any) -> None:
    """Memories and logs are keyed by the repr."""
    names = {type(c).__name__: type(c) for c in _nested(component)}
    again = eval(repr(component), {"inf": math.inf, "nan": math.nan, **names})
    demand(again == component, f"{component!r} makes {again!r}")


@rule
def its_fields_have_types_that_a_config_supports(component: Any) -> None:
    """int, float, str, bool, sequences of these, or a component; each may also be None."""
    hints = get_type_hints(type(component))
    for f in fields(component):
        demand(_supported(hints[f.name]), f"`{f.name}` is of type {hints[f.name]}")


@rule
def takes_a_list_where_it_has_a_tuple(component: Any) -> None:
    """Configurations pass sequences as lists."""
    for f in fields(component):
        value = getattr(component, f.name)
        if isinstance(value, tuple):
            again = replace(component, **{f.name: list(value)})
            demand(again == component, f"`{f.name}` as a list makes {again!r}")


@rule
def names_the_field_and_the_value_that_it_refuses(component: Any) -> None:
    """Refused values raise a ValueError with the field's name in backticks and the value."""
    hints = get_type_hints(type(component))
    for f in fields(component):
        for value in _probes(hints[f.name]):
            try:
                replace(component, **{f.name: value})
            except ValueError as error:
                text = str(error)
                demand(f"`{f.name}`" in text, f"`{f.name}` = {value!r} is refused by {text!r}")
                shown = any(form in text for form in _forms(value))
                demand(shown, f"`{f.name}` = {value!r} is refused without its value by {text!r}")


def _nested(component: Any) -> Iterator[Any]:
    """Yields a component and the components in its fields."""
    yield component
    for f in fields(component):
        value = getattr(component, f.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if is_dataclass(inner):
                yield from _nested(inner)


def _supported(hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return True
    if isinstance(hint, type) and any(
        issubclass(hint, base) for base in (kind.base for kind in KINDS.values())
    ):
        return True
    if origin in (Union, UnionType):
        return all(_supported(a) for a in inner if a is not type(None))
    return origin in (tuple, list) and all(_supported(a) for a in inner if a is not Ellipsis)


def _probes(hint: Any) -> tuple:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return tuple(v for a in inner if a is not type(None) for v in _probes(a))
    if origin in (tuple, list) and inner[0] in (int, float):
        return (), (inner[0](-1),), (inner[0](3), inner[0](2)), (inner[0](0), inner[0](0))
    return _VALUES.get(hint, ())


def _forms(value: Any) -> set[str]:
    forms = {str(value), repr(value)}
    return forms | {str(list(value))} if isinstance(value, tuple) else forms
