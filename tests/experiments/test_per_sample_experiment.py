"""The experiment on plans for each sample: its written result, and a tiny rerun."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "per_sample_plans"


@pytest.fixture(scope="module")
def analysis():
    spec = importlib.util.spec_from_file_location("per_sample_plans", FOLDER / "analysis.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_written_table_is_that_of_the_written_result(analysis):
    rows = json.loads((FOLDER / "result.json").read_text())
    assert (FOLDER / "table.md").read_text() == analysis.as_table(rows)


def test_an_oracle_is_at_least_as_good_as_any_plan(analysis):
    (row,) = analysis.measure("mixture", [10], learn=2, measured=3, seed=0)
    assert row["oracle_db"] >= row["oracle_of_four_db"] >= row["best_plan_db"]
    assert row["best_plan_db"] >= row["default_db"]
    assert 0 <= row["within_1_db"] <= 1
