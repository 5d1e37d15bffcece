"""The experiment of all families: its settings are valid, and its tables have the results."""

import importlib
import json
from pathlib import Path

import pytest

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.registry.compose import build, build_listed, read, settings_of

FOLDER = Path(__file__).parents[2] / "experiments" / "families"


@pytest.fixture
def experiment(monkeypatch):
    """Returns the experiment's two modules."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("families"), importlib.import_module("analysis")


def test_every_preset_and_method_can_be_built(experiment, tmp_path):
    families, analysis = experiment
    for preset in families.TASKS:
        config = read(
            families.words(preset, tmp_path / preset, 4, [19]), "compare", ComparisonSettings
        )
        names = settings_of(config, ComparisonSettings).names()
        assert build("model", config["model"])
        assert build_listed(config | {"methods": names}, "methods").keys() == set(names)
        assert any("teacache" in name for name in names) == ("bagel" not in preset)
    assert analysis.PLAIN.keys() | analysis.LOOKS.keys() == {*families.METHODS} - {
        "negative_control"
    }


def test_a_stopped_comparison_is_resumed(experiment, tmp_path):
    families, _ = experiment
    (tmp_path / "rows").mkdir()
    assert families.words("flux_mini", tmp_path, 4, [19]) == [f"resume={tmp_path}"]


def test_tables_figures_and_pictures_are_made_from_the_results(
    experiment, done, tmp_path, monkeypatch
):
    _, analysis = experiment
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/flux_mini").symlink_to(done.path)
    results = done.results
    for line in [results["reference"], *results["table"]]:
        line["scores"] = {"score": [0.5, 0.4, 0.6]}
    words = ["analysis.py", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    plain = analysis.read
    changed = {"comparison.json": results}
    monkeypatch.setattr(analysis, "read", lambda path: changed.get(path.name) or plain(path))
    analysis.main()
    text = (tmp_path / "table.md").read_text()
    for line in results["table"]:
        assert f"| {line['method']} | {line['calls']:.1f} |" in text
    for name in ("score.svg", "psnr.svg", "changes.svg"):
        assert (tmp_path / name).read_text().startswith("<?xml")
    assert "flux_mini" in (tmp_path / "pictures.html").read_text()
    assert json.loads((done.path / "comparison.json").read_text()) != results
