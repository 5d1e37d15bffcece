"""What a dataclass states about its fields, checked by pydantic on content in JSON types."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    ConfigDict,
    Field,
    InstanceOf,
    Strict,
    TypeAdapter,
    ValidationError,
    create_model,
)

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A whole number, 0 or more."""
StepNumber = Annotated[int, Field(ge=0, le=100_000)]
"""A step of a time grid, or a number of steps."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A number that is neither infinite nor NaN."""
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A finite number, 0 or more."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""

_WANTED = {
    "int_type": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "mapping_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "null",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "literal_error": "{expected}",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
}

_BRANCHES = ("int", "float", "str", "bool", "none", "constrained-int", "constrained-float")


def check_schema(
    kind: Any, content: Any, where: str, error: type[ValueError] = ValueError, name: str = ""
) -> None:
    """Raises an error unless content in JSON types is what a type states.

    Numbers are not taken for texts, nor texts for numbers. Names that a dataclass does not have
    are left alone.

    Args:
        kind: a dataclass or another type; fields that it does not need may be missing.
        content: an object for a dataclass.
        where: begins the message, such as ``"samples.jsonl, line 3,"``.
        error: the class of the error.
        name: what the content is called in its file; empty for the file's whole content.
    """
    try:
        _adapter(kind).validate_python(content)
    except ValidationError as refused:
        raise error(f"{where} {_message(refused, name)}") from refused


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(_strict(kind), config=None)


def _message(refused: ValidationError, whole: str) -> str:
    """Returns a sentence about the first thing that is wrong."""
    # of an optional value, what is wrong with the value is more telling than that it is not null
    errors = refused.errors(include_url=False)
    one = next((e for e in errors if e["type"] != "none_required"), errors[0])
    parts = [whole] if whole else []
    field = ".".join([*parts, *(str(part) for part in one["loc"] if not _is_branch(part))])
    name = f"`{field}`" if field else "its content"
    if one["type"] == "missing":
        return f"has no {name}: it was written by something else."
    if one["type"] == "value_error":
        return f"{name} {one.get('ctx', {}).get('error')}"
    wanted = _WANTED.get(one["type"], "of another type").format(**one.get("ctx", {}))
    return f"{name} must be {wanted}, got {_short(one['input'])}."


def _is_branch(part: Any) -> bool:
    """Returns whether part of a location is pydantic's name of a union's branch, and no field."""
    return isinstance(part, str) and (part in _BRANCHES or "[" in part or "(" in part)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _strict(hint: Any) -> Any:
    """Returns a type for pydantic that takes a value in JSON types for what it is."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(_strict(args[0]), *args[1:])]  # type: ignore[misc]
    if hint in (int, float, str, bool):
        return Annotated[hint, Strict()]
    if hint is Path:
        return Annotated[str, Strict()] | InstanceOf[Path]
    if origin in (Union, UnionType):
        return Union[tuple(map(_strict, args))]  # noqa: UP007 (of a tuple)
    if origin is tuple and args[-1:] != (...,):
        return tuple[tuple(map(_strict, args))]  # type: ignore[misc]
    if origin in (list, tuple, Sequence):
        return list[_strict(args[0])]
    if origin in (dict, Mapping):
        return dict[str, _strict(args[1])]
    if origin is Literal or hint is type(None):
        return hint
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _model(hint)
    return Any


@cache
def _model(kind: type) -> type:
    """Returns the model of a dataclass's fields."""
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {
        f"field_{i}": (_strict(hints[f.name]), Field(alias=f.name, default=_default(f)))
        for i, f in enumerate(dataclasses.fields(kind))
        if f.init
    }
    return create_model(kind.__name__, __config__=ConfigDict(extra="ignore"), **fields)


def _default(field: dataclasses.Field) -> Any:
    """Returns ``...`` for a field that has to be there."""
    needed = field.default is field.default_factory is dataclasses.MISSING
    return ... if needed else None
