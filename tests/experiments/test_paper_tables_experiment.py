"""The paper's tables: settings as published, hours that add up, and the whole way at toy size."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from fastflow.registry import build, read
from fastflow.registry.compose import presets
from fastflow.runs import RunSettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "paper_tables"
PAGE = (ROOT / "docs" / "paper_tables.md").read_text(encoding="utf-8")
EXPERIMENTS = sorted(path.stem for path in (presets() / "experiment").glob("paper_*.yaml"))
PUBLISHED = {
    "paper_flux_kontext": ("flux_kontext_dev", "gedit"),
    "paper_flux_kontext_geneval": ("flux_kontext_dev", "geneval"),
    "paper_bagel": ("bagel_7b_mot", "geneval"),
    "paper_bagel_gedit": ("bagel_7b_mot_edit", "gedit"),
    "paper_hunyuan_video": ("hunyuan_video", "vbench"),
}
TOY = ["executor=inline", "steps=20"]


@pytest.fixture(scope="module")
def minis():
    spec = importlib.util.spec_from_file_location("minis", FOLDER / "minis.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def composed(name, *words):
    return read([f"experiment={name}", *words], "sample", RunSettings)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_composed_and_built(name):
    config = composed(name)
    for kind in ("policy", "model", "extrapolator", "corrector"):
        assert build(kind, config[kind])
    assert (config["steps"], config["max_batch"]) == (50, 1)
    assert config["names"]["corrector"] == "none"


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_method_is_as_published(name):
    config = composed(name)
    names = config["names"]
    assert (names["model"], names["benchmark"]) == PUBLISHED[name]
    assert names["extrapolator"] == "linear"
    policy = config["policy"]
    assert (policy["component"], policy["arms"], policy["gamma"]) == ("ucb", [0, 2, 4, 6], 2.0)
    assert policy["reward"] == {"component": "paper", "loss": "mse", "scale": 1.0}  # mu measured
    assert config["reference"]


def test_every_table_has_its_baselines_on_the_same_model_benchmark_and_noise(minis):
    assert set(minis.TABLES) == set(PUBLISHED)
    for name, table in minis.TABLES.items():
        for row in table.rows:
            own, main = composed(f"{name}_{row}"), composed(name)
            assert own["model"] == main["model"]
            assert own["benchmark"] == main["benchmark"]
            assert own["seed"] == main["seed"]
            assert not own["reference"]
    listed = {f"{name}_{row}" for name, table in minis.TABLES.items() for row in table.rows}
    assert set(EXPERIMENTS) == listed | set(PUBLISHED) | {"paper_fastflow"}


def test_what_is_chosen_on_the_command_line_counts_more():
    config = composed("paper_flux_kontext", "model=kontext_mini", "steps=25", "policy=every")
    assert config["names"]["model"] == "kontext_mini"
    assert (config["steps"], config["policy"]["component"]) == (25, "every")


def test_the_hours_of_the_page_are_their_arithmetic():
    shares = [1, 1 + 1 / 2.65, 1 / 2 + 1 / 4.54, 1 / 5 + 1 / 7, 1 / 2.65, 1 / 1.85]
    lines = re.findall(r"^\| `(paper_\w+)` \| (\d+) \| ([\d.]+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert [name for name, *_ in lines] == list(PUBLISHED)
    for name, samples, seconds, rest in lines:
        hours = int(samples) * float(seconds) / 3600
        expected = [hours * share for share in (*shares, sum(shares[1:]))]
        assert [float(cell) for cell in rest.split(" | ")] == pytest.approx(expected, abs=0.06)
        comment = (presets() / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
        (stated,) = re.findall(r"= ([\d.]+) hours", comment)
        assert float(stated) == pytest.approx(expected[1], abs=0.5)


def test_the_page_shows_what_was_run():
    table = (FOLDER / "table.md").read_text(encoding="utf-8")
    assert table.strip() in PAGE


@pytest.mark.parametrize("name", ["paper_flux_kontext", "paper_bagel", "paper_hunyuan_video"])
def test_a_mini_goes_the_whole_way(minis, name, tmp_path):
    found = minis.run(name, tmp_path, 2, TOY)
    assert list(found) == ["fastflow", *minis.TABLES[name].rows]
    for row, path in found.items():
        table = json.loads((path / "summary.json").read_text())["benchmark"]
        assert table["name"] == minis.TABLES[name].benchmark
        assert table["rows"][0]["samples"] == 2
        assert table["rows"][0]["skipped"]
        assert bool(table["rows"][0]["full"]) == (row == "fastflow")
    lines = minis.table_lines(name, found)
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| full, 50 steps",
        *(f"| {row}" for row in found),
    ]
