"""The experiment on the error bound: its fit, its written result, and a tiny rerun."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "error_bound"


@pytest.fixture(scope="module")
def analysis():
    spec = importlib.util.spec_from_file_location("error_bound", FOLDER / "analysis.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def result():
    return json.loads((FOLDER / "result.json").read_text())


def row(steps, skipped, error):
    return {"steps": steps, "skipped": skipped, "error": error}


def test_a_fit_finds_both_exponents_of_a_power_law(analysis):
    rows = [row(t, s, 7 * s**1.5 / t**3) for t in (64, 128, 256) for s in (4, 8, 16)]
    assert analysis.fit(rows) == {
        "log_c": pytest.approx(1.9459, abs=1e-3),
        "a": pytest.approx(1.5),
        "b": pytest.approx(3.0),
        "residual": pytest.approx(0, abs=1e-9),
    }


def test_a_share_of_the_steps_gives_one_exponent_alone(analysis):
    found = analysis.fit([row(t, t // 4, 5 / t**2) for t in (64, 128, 256)])
    assert "a" not in found
    assert found["b"] == pytest.approx(2.0)


def test_the_written_fits_are_those_of_the_written_points(analysis, result):
    for part in result.values():
        again = analysis.fits(part["points"])
        assert list(again) == list(part["fits"])
        for study, methods in again.items():
            for method, found in methods.items():
                assert found == pytest.approx(part["fits"][study][method], abs=1e-9)


@pytest.mark.parametrize("method", ["reuse", "linear", "linear + 2"])
def test_a_tiny_rerun_finds_the_written_order(analysis, result, method):
    part = result["smooth"]
    study = "T, |S| fixed"
    rows = []
    for steps, (skipped,) in analysis.studies(small=True)[study]:
        apart = analysis.distance(
            analysis.end(0.5, steps, skipped, method), analysis.full(0.5, steps)
        )
        rows.append(row(steps, len(skipped), apart))
        (written,) = (
            p["error"]
            for p in part["points"]
            if (p["study"], p["method"], p["steps"]) == (study, method, steps)
        )
        assert apart == pytest.approx(written, rel=1e-6)
    assert analysis.fit(rows)["b"] == pytest.approx(part["fits"][study][method]["b"], abs=0.2)


def test_full_euler_is_itself_a_first_order_away_from_the_flow(result):
    for part in result.values():
        off = part["euler"]
        for steps in (64, 128, 256):
            assert off[str(steps)] / off[str(2 * steps)] == pytest.approx(2.0, abs=0.1)
