"""The sweeps in conf/wandb: their commands, expanded as W&B's agent does, can be composed."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args
from wandb_files import offline_runs
from wandb_server import SWEEP, serving

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
def test_a_sweep_optimises_a_number_of_the_summary(path):
    sweep = content_of(path)
    assert sweep["method"] in ("grid", "random", "bayes")
    assert sweep.get("metric", {"name": "psnr_db"})["name"] == "psnr_db"


def test_sweep_and_agent_of_wandb_run_every_choice(tmp_path):
    """W&B's own commands do all of it; only the server is made up, and the runs are offline."""
    sweep = content_of(presets() / "wandb" / "bandits.yaml")
    sweep["parameters"] |= {
        "policy": {"values": ["ucb", "epsilon_greedy"]},
        "policy.reward.mu": {"value": 0.1},
        "seed": {"value": 0},
        "model": {"value": "mixture"},
        "samples": {"value": 3},
        "steps": {"value": 12},
        "metrics": {"value": ["fidelity"]},
        "executor": {"value": "inline"},
    }
    sweep["command"].insert(1, "WANDB_MODE=offline")  # for `env`, which starts the run
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(sweep, sort_keys=False))
    with serving() as (own, _):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {name: v for name, v in os.environ.items() if not name.startswith("WANDB")}
        env |= own | {"PATH": path, "WANDB_DIR": str(tmp_path)}
        words = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True}
        made = subprocess.run(["wandb", "sweep", str(file)], check=False, timeout=120, **words)
        assert f"wandb agent me/fastflow/{SWEEP}" in made.stderr
        agent = ["wandb", "agent", f"me/fastflow/{SWEEP}"]
        done = subprocess.run(agent, check=False, timeout=240, **words)
    assert done.returncode == 0, done.stderr
    paths = sorted((tmp_path / "runs").iterdir())
    runs = {run.run.run_id: (path, run) for path in paths for run in offline_runs(path)}
    assert sorted(runs) == ["run1", "run2"]
    for run_id, policy in (("run1", "ucb"), ("run2", "epsilon_greedy")):
        path, run = runs[run_id]
        assert (run.run.sweep_id, run.run.run_group) == (SWEEP, "bandits")
        summary = json.loads((path / "summary.json").read_text())
        assert run.summary["psnr_db"] == summary["psnr_db"]
        assert run.config["policy"] == policy  # W&B keeps the choice in place of the node
        assert run.config["policy.reward.mu"] == 0.1
        assert run.config["names"]["policy"] == policy
