"""The sweeps in conf/wandb: their commands, expanded as W&B's agent does, can be composed."""

import itertools
import json
from pathlib import Path

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args
from wandb_files import offline_runs

from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.registry import read
from fastflow.registry.compose import presets
from fastflow.runs import RunSettings

SWEEPS = sorted((presets() / "wandb").glob("*.yaml"))
SETTINGS = {"sample": RunSettings, "compare": ComparisonSettings}


def content_of(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def choices(parameters):
    """Yields every combination of the values, or of the bounds, of a sweep's parameters."""
    values = []
    for one in parameters.values():
        bounds = [one[name] for name in ("min", "max") if name in one]
        values.append(one.get("values") or bounds or [one["value"]])
    for chosen in itertools.product(*values):
        yield dict(zip(parameters, chosen, strict=True))


def command_of(sweep, chosen):
    """Returns the words that W&B's agent would run, with ``${env}`` as it is on Linux."""
    args = {name: {"value": value} for name, value in chosen.items()}
    words = {"env": ["/usr/bin/env"], **create_sweep_command_args({"args": args})}
    command = create_sweep_command(list(sweep["command"]))
    nested = [words[w[2:-1]] if w.startswith("${") else [w] for w in command]
    return [word for part in nested for word in part]


def test_there_are_sweeps():
    assert [path.stem for path in SWEEPS] == ["bandits", "comparisons", "tuning"]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_command_of_every_choice_can_be_composed(path):
    sweep = content_of(path)
    every = list(choices(sweep["parameters"]))
    for chosen in [every[0], every[len(every) // 2], every[-1]]:
        env, program, name, *words = command_of(sweep, chosen)
        assert (env, program) == ("/usr/bin/env", "fastflow")
        config = read(words, name, SETTINGS[name])
        assert config["observers"] == ["wandb"]
        assert config["observer"]["wandb"]["group"] == path.stem
        for key, value in chosen.items():
            node = config["names"] if key in ("model", "policy") else config
            *above, last = key.split(".")
            for part in above:
                node = node[part]
            found = node[last]
            assert (found["component"] if isinstance(found, dict) else found) == value


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_what_a_sweep_optimises_is_in_the_summary_of_a_run(path, request):
    sweep = content_of(path)
    assert sweep["method"] in ("grid", "random", "bayes")
    assert sweep.get("metric", {"name": "psnr_db"})["name"] == "psnr_db"


def test_the_agent_of_wandb_runs_the_command(tmp_path, monkeypatch):
    """W&B's own agent starts the process; only what the server would say is made up."""
    from wandb.wandb_agent import Agent

    path = presets() / "wandb" / "bandits.yaml"
    sweep = content_of(path)
    chosen = next(choices(sweep["parameters"]))
    chosen |= {"model": "mixture", "samples": 3, "steps": 12, "metrics": ["fidelity"]}
    chosen |= {"executor": "inline", "out": "run"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SWEEP_ID", "made-up")
    monkeypatch.setenv("WANDB_RUN_ID", "")
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", "")  # the agent sets both
    agent = Agent(api=None, queue=None, sweep_id="made-up")
    agent._sweep_command = list(sweep["command"])
    args = {name: {"value": value} for name, value in chosen.items()}
    command = {"id": 1, "type": "run", "run_id": "abc123", "program": "fastflow", "args": args}
    answer = agent._process_command(command)
    assert "exception" not in answer
    assert agent._run_processes["abc123"].wait() == 0
    (run,) = offline_runs(tmp_path / "run")
    assert (run.run.run_id, run.run.sweep_id) == ("abc123", "made-up")
    summary = json.loads((Path("run") / "summary.json").read_text())
    assert run.summary["psnr_db"] == summary["psnr_db"]
    assert run.config["policy"] == "ucb"  # W&B keeps a sweep's choice in place of the node
    assert run.config["policy.reward.mu"] == 0.1
    assert run.config["names"]["policy"] == "ucb"
