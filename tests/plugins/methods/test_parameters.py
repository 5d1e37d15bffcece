"""Values out of range are refused where they are given, by name and value."""

import math

import pytest

from fastflow.evaluation.method import Knob, turn
from fastflow_plugins.methods import TeaCacheMethod
from fastflow_plugins.methods.cache_dit import DBCache
from fastflow_plugins.methods.diffusers_caches import FirstBlockCache, MagCache, TaylorSeer
from fastflow_plugins.methods.oracle import Oracle
from fastflow_plugins.methods.skipping import Skipping
from fastflow_plugins.methods.solver import Solver
from fastflow_plugins.policies.published.teacache import TeaCache

REFUSED = [
    (TeaCacheMethod, {"threshold": -0.1}, "`threshold` must be 0 or more, got -0.1."),
    (TeaCacheMethod, {"threshold": math.nan}, "`threshold` must be 0 or more, got nan."),
    (
        TeaCacheMethod,
        {"coefficients": (1.0, math.inf)},
        "`coefficients` must be finite numbers, got [1.0, inf].",
    ),
    (TeaCache, {"threshold": -1.0}, "`threshold` must be 0 or more, got -1.0."),
    (
        TeaCache,
        {"coefficients": ()},
        "`coefficients` must be one or more finite numbers, got [].",
    ),
    (
        TeaCache,
        {"coefficients": [1.0, math.nan]},
        "`coefficients` must be one or more finite numbers, got [1.0, nan].",
    ),
    (FirstBlockCache, {"threshold": -0.1}, "`threshold` must be 0 or more, got -0.1."),
    (MagCache, {"threshold": -0.1}, "`threshold` must be 0 or more, got -0.1."),
    (MagCache, {"retention": math.nan}, "`retention` must be 0 or more, got nan."),
    (MagCache, {"longest": 0}, "`longest` must be 1 or more, got 0."),
    (MagCache, {"prompts": 0}, "`prompts` must be 1 or more, got 0."),
    (TaylorSeer, {"interval": 0}, "`interval` must be 1 or more, got 0."),
    (TaylorSeer, {"order": 0}, "`order` must be 1 or more, got 0."),
    (TaylorSeer, {"warm_up": 0}, "`warm_up` must be 1 or more, got 0."),
    (DBCache, {"threshold": -0.1}, "`threshold` must be 0 or more, got -0.1."),
    (DBCache, {"first": 0}, "`first` must be 1 or more, got 0."),
    (DBCache, {"warm_up": 0}, "`warm_up` must be 1 or more, got 0."),
    (
        DBCache,
        {"calibrator": "euler"},
        "`calibrator` must be one of none, taylor, foca, dmd, got 'euler'.",
    ),
    (Oracle, {"computed_steps": 0}, "`computed_steps` must be 1 or more, got 0."),
    (Oracle, {"longest": 0}, "`longest` must be 1 or more, got 0."),
    (Solver, {"computed_steps": 0}, "`computed_steps` must be 1 or more, got 0."),
    (
        Solver,
        {"solver": "heun"},
        "`solver` must be one of euler, ab2, unipc, dpmpp, got 'heun'.",
    ),
    (Skipping, {"low": 2.0, "high": 1.0}, "`low` must not be above `high`, got 2.0 and 1.0."),
]


@pytest.mark.parametrize(("component", "parameters", "message"), REFUSED)
def test_a_value_out_of_range_is_refused_by_name_and_value(component, parameters, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        component(**parameters)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ("policy.cals", "`Uniform` has no parameter 'cals'. It has: computed_steps."),
        (
            "polcy.calls",
            "`Skipping` has no parameter 'polcy'. It has: policy, extrapolator, corrector, turns, "
            "low, high, whole, frozen, calibrates.",
        ),
        ("policy.computed_steps.more", "`int` has no parameter 'more'. It has: none."),
    ],
)
def test_a_knob_that_is_no_parameter_is_refused(turns, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        Skipping(turns=turns).at(3.0)
    assert str(refusal.value) == f"`turns` is {turns!r}, but {message}"


@pytest.mark.parametrize(
    "component",
    [TeaCacheMethod, FirstBlockCache, MagCache, TaylorSeer, DBCache, Oracle, Solver, Skipping],
)
def test_every_knob_names_a_parameter_and_turns_it(component):
    method = component()
    knob = method.knob
    assert isinstance(knob, Knob)
    value = 7 if knob.is_computed_steps or knob.whole else (knob.low + knob.high) / 2
    turned = method.at(value)
    inner = turned
    for name in knob.name.split("."):
        inner = getattr(inner, name)
    assert inner == value
    assert type(inner) is (int if knob.is_computed_steps or knob.whole else float)
    assert knob.is_computed_steps or knob.low < knob.high


def test_turning_leaves_everything_else_as_it_was():
    method = DBCache(threshold=0.3, first=2, calibrator="taylor")
    assert turn(method, ["threshold"], 0.5) == DBCache(threshold=0.5, first=2, calibrator="taylor")
    assert method.threshold == 0.3
