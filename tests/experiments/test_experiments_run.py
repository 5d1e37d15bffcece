"""Every experiment's file composes, and those on single questions run at toy size."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from fastflow.comparison import ComparisonSettings
from fastflow.registry.compose import read, settings_of
from fastflow.runs import RunSettings

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
TINY = {
    "error_monitors/analysis.py": "--models mixture --seeds 2 --samples 3 --steps 16",
    "error_bound/seeds.py": "--models smooth --seeds 2 --samples 2 --largest 128",
    "overhead_beside_teacache/analysis.py": ("--models mixture --seeds 1 --samples 2 --repeats 1"),
    "straight_models/analysis.py": "--cases straight-8 curved-4 --samples 2 --seeds 2",
    "failure_prompts/analysis.py": "--models mixture --samples 2 --seeds 1",
}
"""Each script with words that make it small."""


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Returns a function that runs a script of an experiment, and forgets its modules."""
    before = set(sys.modules)

    def call(script, words):
        path = ROOT / "experiments" / script
        monkeypatch.syspath_prepend(str(path.parent))
        monkeypatch.syspath_prepend(str(ROOT / "experiments" / "does_it_travel"))
        monkeypatch.setattr("sys.argv", [path.name, *words.split()])
        name = f"experiment_{path.parent.name}"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)  # its dataclasses look for themselves there
        if path.stem != "analysis":  # another script of the folder uses its functions
            beside = importlib.util.spec_from_file_location(
                "analysis", path.parent / "analysis.py"
            )
            monkeypatch.setitem(sys.modules, "analysis", importlib.util.module_from_spec(beside))
            beside.loader.exec_module(sys.modules["analysis"])
        spec.loader.exec_module(module)
        module.main()
        return module

    yield call
    for name in {"models", "network"} & (set(sys.modules) - before):
        del sys.modules[name]


@pytest.mark.parametrize("name", FILES)
def test_every_experiment_composes_for_one_of_the_commands(name):
    failures = []
    for root, settings in (("compare", ComparisonSettings), ("sample", RunSettings)):
        try:
            config = read([f"experiment={name}"], root, settings)
            settings_of(config, settings)
            return
        except ValueError as error:
            failures.append(str(error))
    pytest.fail("\n".join(failures))


@pytest.mark.parametrize("script", TINY)
def test_an_experiment_runs_at_toy_size(script, run, tmp_path, capsys):
    words = TINY[script]
    if script.startswith(("straight", "failure")):
        words += f" --runs {tmp_path / 'runs'}"
    run(script, f"{words} --out {tmp_path / 'out'}")
    table = (tmp_path / "out" / "table.md").read_text()
    assert table.strip() in capsys.readouterr().out
    assert "| ---" in table
    assert (tmp_path / "out" / "figure.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    "script",
    [
        "error_monitors/analysis.py",
        "straight_models/analysis.py",
        "overhead_beside_teacache/analysis.py",
        "failure_prompts/analysis.py",
        "error_bound/seeds.py",
    ],
)
def test_a_committed_table_is_that_of_the_committed_result(script, monkeypatch):
    folder = ROOT / "experiments" / Path(script).parent
    result = "seeds.json" if script.endswith("seeds.py") else "result.json"
    found = json.loads((folder / result).read_text())
    path = ROOT / "experiments" / script
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"table_of_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    monkeypatch.delitem(sys.modules, "analysis", raising=False)
    spec.loader.exec_module(module)
    monkeypatch.delitem(sys.modules, "analysis", raising=False)
    assert (folder / "table.md").read_text() == "\n".join(module.table(found)) + "\n"
