"""The experiment first_look: its settings are valid, and its table is that of its result."""

import importlib.util
import json
from pathlib import Path

import pytest
from PIL import Image

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.registry.compose import build, build_listed, read, settings_of

FOLDER = Path(__file__).parents[2] / "experiments" / "first_look"


@pytest.fixture(scope="module")
def analysis():
    spec = importlib.util.spec_from_file_location("first_look", FOLDER / "analysis.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def result():
    return json.loads((FOLDER / "result.json").read_text())


def size(path):
    with Image.open(path) as image:
        return image.size


def test_every_method_can_be_built(analysis, tmp_path):
    config = read(analysis.words(tmp_path / "run", 4), "compare", ComparisonSettings)
    names = settings_of(config, ComparisonSettings).names()
    assert names == list(analysis.METHODS)
    assert build("model", config["model"])
    assert build_listed(config | {"methods": names}, "methods").keys() == set(names)


def test_a_comparison_that_was_stopped_goes_on(analysis, tmp_path):
    (tmp_path / "rows").mkdir()
    assert analysis.words(tmp_path, 4) == [f"resume={tmp_path}"]


def test_the_written_table_is_that_of_the_written_result(analysis, result):
    table = (FOLDER / "table.md").read_text()
    assert table == "\n".join(analysis.table(result)) + "\n"
    assert table.strip() in (FOLDER / "README.md").read_text()


def test_skip_lengths_are_shares_of_the_computed_steps(analysis):
    samples = [{"computed": [0, 1, 4]}, {"computed": [0, 2, 4]}]
    assert analysis.skip_lengths(samples, 5) == {"0": 0.5, "1": 1 / 3, "2": 1 / 6}


def test_everything_is_made_from_a_comparison(analysis, result, tmp_path, monkeypatch):
    runs, out = tmp_path / "runs", tmp_path / "out"
    (runs / "rows").mkdir(parents=True)
    (runs / "images").mkdir()
    for stem in ("reference-0000", f"ucb-at-{analysis.TARGET}-0000"):
        Image.new("RGB", (8, 8)).save(runs / "images" / f"{stem}.png")
    sample = {"computed": [0, 3, 49], "metrics": {"psnr_db": None}}
    for line in result["table"]:
        name = f"{line['method']}-at-{line['target']}.json"
        (runs / "rows" / name).write_text(json.dumps({"samples": [sample]}))
    (runs / "comparison.json").write_text(json.dumps(result))
    (runs / "versions.json").write_text(json.dumps(result["versions"]))
    monkeypatch.setattr("sys.argv", ["analysis.py", "--runs", str(runs), "--out", str(out)])
    analysis.main()
    found = json.loads((out / "result.json").read_text())
    assert {line["psnr_worst"] for line in found["table"]} == {99.0}
    assert found["reference"] == result["reference"]
    assert (out / "figure.svg").read_text().startswith("<?xml")
    assert size(out / "pictures.png") == size(FOLDER / "pictures.png")
