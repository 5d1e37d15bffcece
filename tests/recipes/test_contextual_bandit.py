"""The contextual bandit of docs/recipes.md: what it saw is kept, and a resumed run is the same."""

import json

import pytest
from recipe_page import RECIPES

from fastflow.cli import main
from fastflow.runs import directory
from fastflow_plugins.models.mixture import MixtureFlow

RECIPE = RECIPES["A contextual bandit"]
RUN = [
    *("model=mixture", "executor=inline", "executor.progress=false", "metrics=[]"),
    *("policy=glance", "policy.update_every=3", "policy.arms=[0,1,2,4]", "samples=14", "steps=20"),
]


@pytest.fixture
def probed(monkeypatch):
    """Gives the mixture a probe."""
    monkeypatch.setattr(MixtureFlow, "probe", lambda self, x, t, conditioning: x.abs() + 0.1)


def lines(folder, name):
    rows = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    rows = [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in rows]
    return sorted(rows, key=lambda row: row.get("index", row.get("sample")))


def test_it_learns_what_to_do_after_small_and_after_large_changes(install, probed):
    with install(RECIPE) as folder:
        assert main(["sample", *RUN, "policy.threshold=0.1", "out=run"]) == 0
        memory = json.loads((folder / "run" / "memory.json").read_text())
        counts = [sum(map(sum, table["reward"]["count"])) for table in memory["tables"]]
        assert min(counts) > 0
        assert sum(counts) <= sum(map(sum, memory["reward"]["count"]))
        assert any(
            row["calls"] < row["calls_full"] for row in lines(folder / "run", directory.SAMPLES)
        )


def test_records_keep_what_each_choice_was_based_on(install, probed):
    with install(RECIPE) as folder:
        assert main(["sample", *RUN, "out=run"]) == 0
        records = lines(folder / "run", directory.RECORDS)
        drawn = [r for r in records if r["taken"] and r["propensity"] < 1]
        assert drawn
        assert all(r["features"]["change"] >= 0 for r in drawn)
        assert len({r["features"]["change"] for r in drawn}) > 5
        first = [r for r in records if r["sample"] == 0 and r["step"] < 15]
        assert all("features" in r for r in first)  # the warm-up sample has them too


@pytest.mark.parametrize("stop_at", [0, 5, 11])
def test_a_resumed_run_is_the_same(install, probed, monkeypatch, stop_at):
    plain = directory.RunWriter.sample

    def interrupts(self, done, reference, row, rewards):
        if row.index == stop_at:
            raise KeyboardInterrupt
        plain(self, done, reference, row, rewards)

    with install(RECIPE) as folder:
        assert main(["sample", *RUN, "out=whole"]) == 0
        monkeypatch.setattr(directory.RunWriter, "sample", interrupts)
        assert main(["sample", *RUN, "out=stopped"]) == 130
        monkeypatch.setattr(directory.RunWriter, "sample", plain)
        assert main(["sample", f"resume={folder / 'stopped'}"]) == 0
        for name in (directory.SAMPLES, directory.RECORDS):
            assert lines(folder / "stopped", name) == lines(folder / "whole", name)
        memories = [(folder / run / "memory.json").read_text() for run in ("stopped", "whole")]
        assert memories[0] == memories[1]


def test_a_later_run_serves_with_what_was_learned(install, probed):
    with install(RECIPE) as folder:
        assert main(["sample", *RUN, "out=run"]) == 0
        more = ["memory=run/memory.json", "frozen=true", "seed=100", "out=served"]
        assert main(["sample", *RUN, *more]) == 0
        records = lines(folder / "served", directory.RECORDS)
        assert any(r.get("features") for r in records)
        kept = [
            json.loads((folder / run / "memory.json").read_text()) for run in ("run", "served")
        ]
        assert kept[0]["tables"] == kept[1]["tables"]


def test_a_model_without_a_probe_is_refused_in_a_sentence(install, capsys):
    with install(RECIPE):
        assert main(["sample", *RUN, "out=run"]) == 2
    assert "`glance` needs a model with a probe. Choose another policy." in capsys.readouterr().err


def test_a_number_of_computed_steps_is_refused_with_the_reason(install, probed, capsys):
    with install(RECIPE):
        assert main(["sample", *RUN, "policy.computed_steps=9", "out=run"]) == 2
    message = capsys.readouterr().err
    assert "`computed_steps` cannot be kept by Glance, got 9.0: its choices depend on" in message


def test_it_samples_a_model_with_a_probe_as_the_page_says(install):
    with install(RECIPE) as folder:
        (words,) = [line.split()[2:] for line in RECIPE.of_kind("console").splitlines()]
        assert main([*words, "executor=inline", "executor.progress=false"]) == 0
        assert any(r.get("features") for r in lines(folder / "run", directory.RECORDS))
