"""Every installed component keeps every rule of its kind."""

import functools
from importlib import import_module

import pytest
from examples import LOADS, MORE, components, loads

import fastflow.testing
from fastflow import installed
from fastflow.testing import check, failures, kind_of, rules

PAIRS = [
    pytest.param(component, rule, id=f"{label}-{rule.__name__}")
    for label, component in components()
    for rule in rules(component)
]
LOADED = [
    pytest.param(i, rule, id=f"{label}-{rule.__name__}")
    for i, (label, _, _) in enumerate(loads())
    for rule in rules("flow_model")
]


@functools.cache
def loaded(i):
    """Loads each model once."""
    _, model, arguments = list(loads())[i]
    return model.load(**arguments)


@pytest.mark.parametrize(("component", "rule"), PAIRS)
def test_an_installed_component_keeps_the_rule(component, rule):
    rule(component)


@pytest.mark.parametrize(("i", "rule"), LOADED)
def test_a_loaded_model_keeps_the_rule(i, rule):
    rule(loaded(i))


def test_a_check_runs_every_rule_of_the_kind():
    for _, component in components():
        if kind_of(component) in ("extrapolator", "corrector", "reward"):
            check(component)
            assert failures(component) == []


def test_every_example_belongs_to_an_installed_component():
    names = {(e.kind, e.name) for e in installed().entries}
    assert set(MORE) <= names
    assert {("model", name) for name in LOADS} <= names


def test_a_rule_has_a_sentence_as_name_and_a_docstring():
    for kind in ("policy", "extrapolator", "corrector", "reward", "model", "flow_model"):
        of_kind = rules(kind)
        assert len({r.__name__ for r in of_kind}) == len(of_kind)
        for rule in of_kind:
            assert "_" in rule.__name__
            assert rule.__doc__


def test_rules_is_a_function_after_the_modules_of_rules_are_imported():
    import_module("fastflow.testing.rulebook.policy_rules")
    assert fastflow.testing.rules is rules


def test_rules_of_an_unknown_kind_are_refused():
    with pytest.raises(ValueError, match="`component` must be one of policy, extrapolator"):
        rules("sampler")
    with pytest.raises(ValueError, match="`component` is not a component or loaded model, got 3"):
        check(3)
