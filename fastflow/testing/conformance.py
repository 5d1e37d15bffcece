"""Finds the rules of a component, and runs them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from fastflow.registry.hooks import KINDS
from fastflow.sampling.model import FlowModel
from fastflow.testing.rule import Rule, RuleBroken

LOADED = "flow_model"  # what a model's `load` gives; not a kind of component


def kind_of(component: Any) -> str:
    """Returns the kind of a component (an instance or a class) or of a loaded model.

    Raises:
        ValueError: if it is none.
    """
    cls = component if isinstance(component, type) else type(component)
    for name, kind in KINDS.items():
        if issubclass(cls, kind.base):
            return name
    if issubclass(cls, FlowModel):
        return LOADED
    raise ValueError(f"`component` is of no kind that fastflow knows, got {component!r}.")


def rules(component: Any) -> list[Rule]:
    """Returns the rules for a component, given itself, its class or the name of its kind."""
    kind = component if isinstance(component, str) else kind_of(component)
    if kind not in (*KINDS, LOADED):
        known = ", ".join((*KINDS, LOADED))
        raise ValueError(f"`component` must be one of {known}, got {kind!r}.")
    return [
        function
        for module in _modules(kind)
        for function in vars(module).values()
        if getattr(function, "is_rule", False) and function.__module__ == module.__name__
    ]


def _modules(kind: str) -> Iterator[ModuleType]:
    """Yields the modules of the rules for every component and, if there is one, for its kind."""
    if kind != LOADED:
        yield import_module("fastflow.testing.rulebook.component_rules")
    if kind in ("extrapolator", "corrector"):
        yield import_module("fastflow.testing.weight_rules")
    name = f"fastflow.testing.rulebook.{kind}_rules"
    if find_spec(name) is not None:
        yield import_module(name)


def check(component: Any, **context: Any) -> None:
    """Holds a component, or a loaded model, to every rule of its kind.

    Args:
        component: a component, or what an adapter's `load` gave.
        **context: given to those rules that take it; for loaded models ``steps`` and ``prompt``.

    Raises:
        RuleBroken: of the first rule that is broken.
    """
    for rule in rules(component):
        rule(component, **_wanted(rule, context))


def failures(component: Any, **context: Any) -> list[RuleBroken]:
    """Returns one `RuleBroken` for every rule that a component breaks."""
    found = []
    for rule in rules(component):
        try:
            rule(component, **_wanted(rule, context))
        except RuleBroken as broken:
            found.append(broken)
    return found


def _wanted(rule: Rule, context: dict[str, Any]) -> dict[str, Any]:
    names = inspect.signature(rule).parameters
    return {name: value for name, value in context.items() if name in names}
