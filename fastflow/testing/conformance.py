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

LOADED = "flow_model"  # a loaded model, which is not a component


def kind_of(component: Any) -> str:
    """Returns the kind of a component (an instance or a class) or of a loaded model.

    Raises:
        ValueError: if it is neither.
    """
    cls = component if isinstance(component, type) else type(component)
    for name, kind in KINDS.items():
        if issubclass(cls, kind.base):
            return name
    if issubclass(cls, FlowModel):
        return LOADED
    raise ValueError(f"`component` is not a component or loaded model, got {component!r}.")


def rules(component: Any) -> list[Rule]:
    """Returns the rules for a component, from an instance, its class or the name of its kind.

    Raises:
        ValueError: if there is no such kind.
    """
    kind = component if isinstance(component, str) else kind_of(component)
    if kind not in (*KINDS, LOADED):
        kinds = ", ".join((*KINDS, LOADED))
        raise ValueError(f"`component` must be one of {kinds}, got {kind!r}.")
    return [
        function
        for module in _modules(kind)
        for function in vars(module).values()
        if getattr(function, "is_rule", False) and function.__module__ == module.__name__
    ]


def _modules(kind: str) -> Iterator[ModuleType]:
    """Yields the modules with the rules for all components and for those of a kind."""
    if kind != LOADED:
        yield import_module("fastflow.testing.rulebook.component_rules")
    if kind in ("extrapolator", "corrector"):
        yield import_module("fastflow.testing.weight_rules")
    name = f"fastflow.testing.rulebook.{kind}_rules"
    if find_spec(name) is not None:
        yield import_module(name)


def check(component: Any, **context: Any) -> None:
    """Checks every rule for a component or a loaded model.

    Args:
        component: a component, or a loaded model from `Model.load`.
        **context: passed to the rules that take it; for loaded models ``steps``, and ``prompts``
            or ``prompt`` with what to ask for. Without them a model is asked for its
            `example_prompts`.

    Raises:
        RuleBroken: for the first rule that the component breaks.
    """
    for rule in rules(component):
        rule(component, **_accepted(rule, context))


def failures(component: Any, **context: Any) -> list[RuleBroken]:
    """Returns one `RuleBroken` for every rule that a component breaks; see `check`."""
    broken_rules = []
    for rule in rules(component):
        try:
            rule(component, **_accepted(rule, context))
        except RuleBroken as broken:
            broken_rules.append(broken)
    return broken_rules


def _accepted(rule: Rule, context: dict[str, Any]) -> dict[str, Any]:
    names = inspect.signature(rule).parameters
    if "prompt" in context:
        context = {"prompts": [context["prompt"]], **context}
    return {name: value for name, value in context.items() if name in names}
