"""The experiment on regret: a tiny run on the mixture, and its table and figure."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "regret"


@pytest.fixture(scope="module")
def analysis():
    spec = importlib.util.spec_from_file_location("regret_experiment", FOLDER / "analysis.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks for itself there
    spec.loader.exec_module(module)
    return module


def test_a_tiny_run_shows_what_each_policy_loses(analysis, tmp_path, monkeypatch):
    words = "--policies path random_arms --models mixture --seeds 1 --samples 9 --tried 2"
    monkeypatch.setattr("sys.argv", ["analysis.py", *words.split(), "--out", str(tmp_path)])
    analysis.main()
    found = json.loads((tmp_path / "result.json").read_text())
    path = [row for row in found["rows"] if row["policy"] == "path"]
    assert [row["samples"] for row in path] == [1, 9]
    assert path[0]["spent"] == 1
    assert path[1]["spent"] == pytest.approx(1 + 8 * 19 / 50)
    assert {row["steps"] for row in path} == {19}
    (*_, random) = (row for row in found["rows"] if row["policy"] == "random_arms")
    assert random["regret"] > path[-1]["regret"]
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[-1].startswith("| mixture | `random_arms` |")
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")


def test_the_curve_is_the_mean_over_seeds_with_its_range(analysis):
    rows = [
        {"model": "m", "seed": s, "policy": "p", "samples": 9}
        | {"spent": 4.0, "steps": 19.0, "regret": r}
        for s, r in ((0, 1.0), (1, 3.0))
    ]
    point = {"spent": 4.0, "steps": 19.0, "regret": 2.0, "low": 1.0, "high": 3.0}
    assert analysis.curve({"rows": rows}, "m", "p") == [point]


def test_the_written_table_is_that_of_the_written_result(analysis):
    result = json.loads((FOLDER / "result.json").read_text())
    table = (FOLDER / "table.md").read_text()
    assert table == "\n".join(analysis.table(result)) + "\n"
    assert table.strip() in (FOLDER / "README.md").read_text()
