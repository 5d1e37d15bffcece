"""The experiment on graded scores: its verdicts, its written result, and a tiny rerun."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "graded_scores"


@pytest.fixture(scope="module")
def analysis():
    spec = importlib.util.spec_from_file_location("graded_scores", FOLDER / "analysis.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def result():
    return json.loads((FOLDER / "result.json").read_text())


def test_the_written_table_is_that_of_the_written_numbers(analysis, result):
    lines = [line for mini in result for line in analysis.section(mini, result[mini])]
    assert (FOLDER / "table.md").read_text() == "\n".join(lines) + "\n"


def test_the_readme_has_the_written_table(result):
    table = (FOLDER / "table.md").read_text()
    readme = (FOLDER / "README.md").read_text()
    for line in table.splitlines():
        if line.startswith("| 50 |"):
            assert line in readme


def test_every_mini_was_measured_at_every_number_of_steps(analysis, result):
    assert list(result) == list(analysis.MINIS)
    for mini, found in result.items():
        assert list(found) == [str(steps) for steps in analysis.STEPS]
        for values in found.values():
            assert {len(one) for one in values.values()} == {analysis.MINIS[mini][2]}


def _found(*means):
    return {str(9 - i): {"background_noise": [m - 0.1, m, m + 0.1]} for i, m in enumerate(means)}


def test_a_verdict_says_where_a_measure_gets_worse_and_where_that_is_certain(analysis):
    text = analysis.verdict(_found(1, 2, 3), "background_noise")
    assert text == "yes; worse 9 to 8 (certain), 8 to 7 (certain)"
    text = analysis.verdict(_found(1, 2, 1.5), "background_noise")
    assert text == "no; worse 9 to 8 (certain); better 8 to 7 (certain)"
    assert analysis.verdict(_found(1, 1), "background_noise") == "no"
    mixed = _found(1, 2, 3)
    mixed["7"]["background_noise"] = [1.8, 2.0, 2.05]
    text = analysis.verdict(mixed, "background_noise")
    assert text == "within the intervals; worse 9 to 8 (certain); better 8 to 7"
    uncertain = {"9": {"score": [0.0, 1.0]}, "8": {"score": [0.2, 0.5]}}
    assert analysis.verdict(uncertain, "score") == "yes; worse 9 to 8"


def test_a_measure_sees_the_most_steps_that_are_certainly_worse(analysis):
    assert analysis.seen_from(_found(1, 1, 2, 3), "background_noise") == "7 steps"
    assert analysis.seen_from(_found(3, 2, 1), "background_noise") == "nowhere"


def test_a_tiny_rerun_measures_the_same_numbers(analysis, result, monkeypatch):
    monkeypatch.setattr(analysis, "STEPS", (2, 1))
    found = analysis.measure("flux_mini", 2)
    assert list(found) == ["2", "1"]
    assert found["1"].keys() == result["flux_mini"]["50"].keys()
