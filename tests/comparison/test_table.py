"""The table counts a sample as near its best by what usable methods reached on it."""

import math

import pytest

from fastflow.comparison.checks import ComparisonResults
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.fairness.near_best import with_near_best
from fastflow.comparison.page.total_cost import cost, efficient, total_cost
from fastflow.comparison.rows import MethodRow
from fastflow.comparison.table import RowReader, psnrs_of
from fastflow.evaluation.measurement import SampleRow

GROUPS = {"ours": ["plan"], "oracle": ["oracle"], "static": ["even", "odd"]}
SETTINGS = ComparisonSettings(groups=GROUPS, targets=[10], steps=50)


def measured(method, psnrs, calls=10, learning=0, failing=()):
    samples = [
        SampleRow(
            index=i,
            calls=calls,
            computed=tuple(range(calls)),
            metrics={} if i in failing else {"psnr_db": psnr},
            failure="no memory" if i in failing else "",
        )
        for i, psnr in enumerate(psnrs)
    ]
    return MethodRow(method, 10, samples=samples, learned={"samples": 1, "calls": learning})


def table(*rows):
    read = [RowReader(SETTINGS, 1.0, [{}]).read(row) for row in rows]
    found = with_near_best(read, {(row.method, 10): [psnrs_of(row)] for row in rows})
    return {row.method: row for row in found}


def shares(*rows):
    return {name: row.psnr_spread["near_best_share"] for name, row in table(*rows).items()}


def test_a_sample_within_one_db_of_its_best_is_near_it():
    rows = measured("even", [40, 40, 40, 40]), measured("odd", [39, 38.9, 50, 30])
    assert shares(*rows) == {"even": 0.75, "odd": 0.5}


def test_an_oracle_does_not_raise_the_best_but_has_a_share():
    rows = measured("even", [40, 40]), measured("oracle", [60, 30])
    assert shares(*rows) == {"even": 1.0, "oracle": 0.5}


def test_a_method_that_takes_more_steps_than_the_target_does_not_raise_the_best():
    rows = measured("even", [40, 40]), measured("odd", [60, 60], calls=11)
    assert shares(*rows) == {"even": 1.0, "odd": 1.0}
    assert shares(rows[0], measured("odd", [60, 60], calls=10))["even"] == 0.0


def test_identical_outputs_are_near_each_other():
    rows = measured("even", [math.inf]), measured("odd", [math.inf])
    assert shares(*rows) == {"even": 1.0, "odd": 1.0}


def test_a_failed_sample_is_a_flip():
    (row,) = table(measured("even", [40, 40], failing=(1,))).values()
    assert row.psnr_spread["flip_share"] == 0.5
    assert row.psnr_spread["worst_db"] == 0.0


def test_the_total_cost_divides_learning_among_the_outputs():
    (row,) = table(measured("plan", [40], learning=100)).values()
    assert row.learning_runs == 2.0
    assert row.total_cost == {"10": 0.4, "100": 0.22, "1000": 0.202}


def test_a_failed_row_has_no_cost_and_no_spread():
    (row,) = table(MethodRow("even", 10, failure="out of luck")).values()
    assert (row.learning_runs, row.total_cost, row.psnr_spread) == (0.0, {}, {})


def results(*rows):
    reader = RowReader(SETTINGS, 1.0, [{}])
    reference = reader.read(MethodRow("reference", 50))
    return ComparisonResults(SETTINGS, "m", 1.0, reference, reference, list(table(*rows).values()))


def test_what_is_efficient_depends_on_the_number_of_outputs():
    found = results(
        measured("even", [40], calls=10),
        measured("odd", [39], calls=11),
        measured("plan", [45], calls=10, learning=450),
        measured("oracle", [90], calls=10),
    )
    names = {n: [row.method for row in efficient(found, n)] for n in (10, 100, 1000)}
    assert names == {10: ["even"], 100: ["even", "plan"], 1000: ["even", "plan"]}
    plan = efficient(found, 100)[1]
    assert cost(plan, 100) == pytest.approx((450 + 1000) / 5000)
    chart = total_cost(found)
    assert "even at 10" in chart.svg
    assert "oracle" not in chart.svg


def test_without_a_psnr_there_is_no_figure_of_total_cost():
    assert total_cost(results(MethodRow("even", 10, failure="out of luck"))) is None


def test_methods_on_request_are_compared_only_if_they_are_named():
    settings = {"groups": {"one": ["a", "b"], "two": ["c"]}, "on_request": ["b"]}
    assert ComparisonSettings(**settings).names() == ["a", "c"]
    assert ComparisonSettings(**settings, methods=["b"]).names() == ["b"]
    assert ComparisonSettings(**settings).group_of("b") == "one"
