"""Sweeps: a run for each combination, the same runs as by themselves, by every launcher."""

import json
import os
import random
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest
from swept_folders import COMMON, in_a_process, numbers_of, runs_of

from fastflow.registry.applications.hydra_sweep import RecordedLauncher
from fastflow.sweeps import Sweep, SweepFolder, SweptRun
from fastflow.sweeps.objective import SweepObjective

FOUR = ("policy=ucb,epsilon_greedy", "seed=0,7", *COMMON)


def test_a_sweep_has_a_run_for_each_combination_and_a_file_that_names_them(swept):
    content = json.loads((swept / "sweep.json").read_text())
    assert content["command"] == "sample"
    assert content["settings"] == list(FOUR)
    assert content["swept"] == ["policy", "seed"]
    assert [run["overrides"] for run in content["runs"]] == [
        ["policy=ucb", "seed=0"],
        ["policy=ucb", "seed=7"],
        ["policy=epsilon_greedy", "seed=0"],
        ["policy=epsilon_greedy", "seed=7"],
    ]
    assert [(run["path"], run["status"], run["error"]) for run in content["runs"]] == [
        (str(i), "done", None) for i in range(4)
    ]


def test_a_sweep_leaves_nothing_but_its_runs(swept):
    assert {path.name for path in swept.iterdir()} == {"sweep.json", "0", "1", "2", "3"}
    assert not list(swept.rglob(".hydra"))
    assert not list(swept.rglob("*.log"))
    assert not (swept / "0" / ".lock").exists()


def test_a_sweep_ends_with_its_runs_and_the_command_that_studies_them(swept):
    lines = (swept.parent / "printed").read_text().splitlines()
    assert lines[-1] == f"fastflow study {swept}"
    head, *rows = (line.split() for line in lines[-6:-1])
    assert head[:4] == ["run", "policy", "seed", "status"]
    assert head[4:] == ["calls_mean", "speedup_calls", "psnr_db", "ssim"]
    assert [row[:4] for row in rows[1:3]] == [
        ["1", "ucb", "7", "done"],
        ["2", "epsilon_greedy", "0", "done"],
    ]


def test_a_run_of_a_sweep_is_the_run_by_itself(swept, tmp_path, command):
    alone = tmp_path / "alone"
    done = command("sample", "policy=epsilon_greedy", "seed=7", *COMMON, f"out={alone}")
    assert done.status == 0, done.err
    assert numbers_of(alone) == numbers_of(swept / "3")
    assert {p.name for p in alone.iterdir()} == {p.name for p in (swept / "3").iterdir()}


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_other_launchers_give_the_same_numbers(launcher, swept, tmp_path):
    package = {"submitit_local": "submitit"}.get(launcher, launcher)
    if find_spec(f"hydra_plugins.hydra_{package}_launcher") is None:
        pytest.skip(f"Hydra's launcher for {package} is not installed")
    path = tmp_path / "swept"
    words = ["-m", *FOUR, f"out={path}", f"hydra/launcher={launcher}"]
    words += ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    sweep = in_a_process("sample", *words)
    _, err = sweep.communicate(timeout=280)
    assert sweep.returncode == 0, err
    assert [run["status"] for run in runs_of(path)] == ["done"] * 4
    for number in "0123":
        assert numbers_of(path / number) == numbers_of(swept / number)


def test_a_failed_run_stops_no_other_and_is_tried_again(tmp_path, command):
    path, memory = tmp_path / "swept", tmp_path / "memory.json"
    words = ("policy=ucb", f"memory={memory},{tmp_path / 'none'}", "seed=0", *COMMON)
    made = command("sample", "policy=ucb", *COMMON, f"out={tmp_path / 'first'}")
    assert made.status == 0
    (tmp_path / "none").write_text((tmp_path / "first" / "memory.json").read_text())
    done = command("sample", "-m", *words, f"out={path}")
    assert done.status == 1
    assert [run["status"] for run in runs_of(path)] == ["failed", "done"]
    error = runs_of(path)[0]["error"]
    assert error.startswith(f"`memory` {str(memory)!r}")
    assert f"run 0 failed: {error}" in done.out
    again = f"1 of 2 runs are not done; try them again with: fastflow sample resume={path}"
    assert again in done.err
    assert "Traceback" not in done.err
    memory.write_text((tmp_path / "none").read_text())
    before = (path / "1" / "summary.json").stat().st_mtime_ns
    done = command("sample", f"resume={path}")
    assert done.status == 0, done.err
    assert [run["status"] for run in runs_of(path)] == ["done", "done"]
    assert (path / "1" / "summary.json").stat().st_mtime_ns == before


def begun(path, *words):
    """Starts a sweep and returns it once it has begun its first runs."""
    sweep = in_a_process("sample", "-m", *words, f"out={path}")
    until = time.monotonic() + 100
    while time.monotonic() < until and sweep.poll() is None:
        if len(list(path.glob("*/samples.jsonl"))) > 0:
            return sweep
        time.sleep(0.05)
    raise AssertionError(sweep.communicate()[1])


LONG = (*(word for word in FOUR if word != "samples=3"), "samples=400", "max_batch=2")


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_sweep_and_says_how_to_go_on(launcher, signum, tmp_path):
    path = tmp_path / "swept"
    sweep = begun(path, *LONG, f"hydra/launcher={launcher}")
    sweep.send_signal(signum)
    at = time.monotonic()
    _, err = sweep.communicate(timeout=60)
    assert time.monotonic() - at < 30
    assert sweep.returncode == 128 + signum, err
    said = "interrupted. Finished runs are kept; resume with: fastflow sample "
    assert f"{said}resume={path}" in err
    assert "Traceback" not in err
    assert {run["status"] for run in runs_of(path)} <= {"done", "waiting"}


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_killed_sweep_goes_on_to_the_same_numbers(launcher, swept, tmp_path):
    path = tmp_path / "swept"
    sweep = begun(path, *FOUR, f"hydra/launcher={launcher}")
    time.sleep(random.Random(launcher).uniform(0, 1))
    sweep.kill()
    sweep.wait(timeout=60)  # not for its pipes, which idle processes of joblib keep open
    for pipe in (sweep.stdout, sweep.stderr):
        pipe.close()
    time.sleep(1)  # in which its processes end
    again = in_a_process("sample", f"resume={path}")
    _, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    for number in "0123":
        assert numbers_of(path / number) == numbers_of(swept / number)
    assert "multirun.yaml" not in os.listdir(path)


def test_runs_that_end_at_once_are_all_noted(tmp_path):
    folder = SweepFolder(tmp_path)
    runs = [SweptRun(path=str(i), overrides=[f"seed={i}"]) for i in range(40)]
    folder.write(Sweep("sample", [], ["seed"], runs))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: SweepFolder(tmp_path).change(i, "done"), range(40)))
    assert {run.status for run in folder.read().runs} == {"done"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["policy=ucb,ucbb"], "there is no policy named 'ucbb'. Did you mean 'ucb'?"),
        (["policy.gama=1,2"], "there is no setting `policy.gama`. Did you mean `policy.gamma`?"),
        (["seed=0,a"], "`seed` must be a whole number, got 'a'."),
        (["seed=0,-1"], "`seed` must be 0 or more"),
        (["steps=0"], "`steps` must be 1 or more, got 0."),
        (
            ["hydra/launcher\u2028=joblib"],
            r"'hydra/launcher\u2028=joblib' cannot be read: settings are written key=value",
        ),
        (
            ["hydra/launcher=joblb"],
            "there is no hydra/launcher named 'joblb'. Did you mean 'joblib'?",
        ),
        (["hydra.sweep.dir=x"], "`hydra.sweep.dir` is decided by fastflow"),
        (["hydra.job.chdir=true"], "`hydra.job.chdir` is decided by fastflow"),
        (["hydra.launcher._target_=os.system"], "only Hydra's plugins are run"),
        (["hydra.launcher.jobs=3"], "there is no setting `hydra.launcher.jobs`."),
        (
            ["policy.gamma=interval(0,1)"],
            "an interval needs a sweeper that draws from it, such as `hydra/sweeper=optuna`.",
        ),
        (["objective=score"], "`objective` is for a sweeper that optimises"),
        (["experiment=nothing"], "there is no experiment named 'nothing'."),
        (["force=true"], "`force` is for a sweep that is resumed"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_computed(words, message, tmp_path, command):
    path = tmp_path / "swept"
    done = command("sample", "-m", *COMMON, *words, f"out={path}")
    assert done.status == 2, done.err
    assert done.err.startswith("fastflow sample: ")
    assert message in done.err
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hydra/launcher=joblib"], "`hydra/launcher` is for sweeps: fastflow sample -m"),
        (["-m", "-r"], "give --run or --multirun, not both."),
        (["--cfg=jobs"], "`--cfg` must be one of job, hydra, all, got 'jobs'."),
        (["seed=0,1"], "`seed` must be a number"),
    ],
)
def test_one_run_takes_nothing_of_a_sweep(words, message, command):
    done = command("sample", *COMMON, *words)
    assert done.status == 2
    assert message in done.err


def test_several_processes_do_not_each_begin_a_sweep(monkeypatch, command):
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = command("sample", "-m", "seed=0,1")
    assert done.status == 2
    assert "a sweep is started once, and here are 2 processes." in done.err


def test_a_comma_in_a_prompt_is_a_comma(tmp_path, command):
    path = tmp_path / "swept"
    words = ("prompt=a cat, asleep", "samples=1", "quality=high,fast", "policy=plan")
    rest = [word for word in COMMON if not word.startswith("samples")]
    done = command("sample", "-m", *rest, *words, f"out={path}")
    assert done.status == 0, done.err
    assert [run["overrides"] for run in runs_of(path)] == [["quality=high"], ["quality=fast"]]
    rows = (path / "1" / "samples.jsonl").read_text().splitlines()
    assert json.loads(rows[0])["prompt"] == "a cat, asleep"


def test_prompts_are_swept_by_a_choice(tmp_path, command):
    path = tmp_path / "swept"
    words = ("prompt=choice('a cat, asleep', 'a ${dog}')", "samples=1", "policy=never")
    rest = [word for word in COMMON if not word.startswith("samples")]
    done = command("sample", "-m", *rest, *words, f"out={path}")
    assert done.status == 0, done.err
    assert [run["overrides"] for run in runs_of(path)] == [
        ["prompt=a cat, asleep"],
        ["prompt=a ${dog}"],
    ]


def test_comparisons_and_calibrations_are_swept_too(tmp_path, command):
    path = tmp_path / "compared"
    words = ("targets=[6]", "methods=[euler,uniform]", "tuning=2", "live=1", "pairs=0")
    words += ("steps=12", "samples=2", "converged_steps=0", "metrics=[fidelity]", "model=mixture")
    done = command("compare", "-m", *words, "seed=0,50", f"out={path}")
    assert done.status == 0, done.err
    assert (path / "1" / "comparison.json").is_file()
    refused = command("sample", f"resume={path}")
    assert refused.status == 2
    assert f"fastflow compare resume={path}" in refused.err
    path = tmp_path / "calibrated"
    words = ("policy=equal_change", "model=mixture", "samples=4", "steps=10")
    done = command("calibrate", "-m", *words, "seed=1,2", f"out={path}")
    assert done.status == 0, done.err
    assert [run["status"] for run in runs_of(path)] == ["done"] * 2
    first, second = ((path / number / "preset.yaml").read_text() for number in "01")
    assert "changes:" in first
    assert first != second
    assert "fastflow study" not in done.out


def foreign(path, **changes):
    """Writes the folder of a sweep as somebody else may have."""
    path.mkdir()
    content = {"command": "sample", "settings": [*FOUR], "swept": ["seed"], "runs": []}
    (path / "sweep.json").write_text(json.dumps(content | changes))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": [{"path": "../x", "overrides": []}]}, "must be a file inside the directory"),
        ({"runs": [{"path": "1", "overrides": []}]}, "must have the `path` '0', got '1'."),
        ({"runs": [{"path": "0", "overrides": [], "status": "odd"}]}, "`runs.0.status` must be"),
        ({"settings": 3}, "`settings` must be a list, got 3."),
        ({"settings": ["hydra.launcher._target_=os.system"]}, "only Hydra's plugins are run"),
        ({"settings": ["hydra.sweep.dir=/tmp"]}, "is decided by fastflow"),
        ({"settings": ["hydra/callbacks=x"]}, "hydra"),
        ({"settings": ["steps=${oc.env:HOME}"]}, "which asks for something outside"),
    ],
)
def test_a_foreign_sweep_is_data(changes, message, tmp_path, command):
    path = foreign(tmp_path / "swept", **changes)
    done = command("sample", f"resume={path}")
    assert done.status == 2, done.err
    assert message in done.err


def test_a_run_that_is_a_link_elsewhere_is_not_resumed(swept, tmp_path, command):
    path = foreign(tmp_path / "swept")
    (path / "0").symlink_to(swept / "0")
    done = command("sample", f"resume={path}")
    assert done.status == 2
    assert "is a symbolic link that leads out of" in done.err


def test_a_resumed_sweep_takes_no_other_settings(swept, command):
    done = command("sample", f"resume={swept}", "seed=3")
    assert done.status == 2
    assert "'seed=3': a resumed sweep has the settings that it began with." in done.err


EXPERIMENT = """\
# @package _global_
defaults:
  - override /policy: epsilon_greedy

policy:
  reward:
    mu: 0.3
hydra:
  sweeper:
    params:
      seed: 0,1
      policy.epsilon: 0.1,0.2
"""


@pytest.fixture
def folder(tmp_path):
    """Returns a folder of presets with an experiment."""
    path = tmp_path / "mine" / "experiment"
    path.mkdir(parents=True)
    (path / "greedy.yaml").write_text(EXPERIMENT)
    (path / "forgetful.yaml").write_text("steps: 20\n")
    return path.parent


def test_an_experiment_states_settings_and_what_to_sweep_over(folder, tmp_path, command):
    path = tmp_path / "swept"
    words = ("--config-dir", folder, "experiment=greedy", *COMMON, "seed=5")
    shown = command("sample", *words, "--cfg", "job")
    assert "component: epsilon_greedy" in shown.out
    assert "mu: 0.3" in shown.out
    done = command("sample", "-m", *words, f"out={path}")
    assert done.status == 0, done.err
    assert [run["overrides"] for run in runs_of(path)] == [
        ["policy.epsilon=0.1"],
        ["policy.epsilon=0.2"],
    ]
    assert "component: epsilon_greedy" in (path / "1" / "config.yaml").read_text()


def test_experiments_that_are_wrong_are_named(folder, command):
    words = ("sample", "--cfg", "--config-dir", folder)
    assert "Did you mean 'greedy'?" in command(*words, "experiment=gredy").err
    done = command(*words, "experiment=forgetful")
    assert done.status == 2
    assert "# @package _global_" in done.err


@pytest.mark.skipif(not find_spec("hydra_plugins.hydra_optuna_sweeper"), reason="needs optuna")
def test_optuna_looks_for_the_best_run_and_asks_for_the_same_ones_again(tmp_path):
    path = tmp_path / "swept"
    words = ("policy=ucb", "policy.reward.mu=interval(0.1,0.9)", *COMMON)
    words += ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "objective=calls_mean")
    for begin in (("-m", *words, f"out={path}"), (f"resume={path}",)):
        sweep = in_a_process("sample", *begin)
        _, err = sweep.communicate(timeout=200)
        assert sweep.returncode == 0, err
        assert len(runs_of(path)) == 4
    best = (path / "optimization_results.yaml").read_text()
    calls = [json.loads((path / f"{i}/summary.json").read_text())["calls_mean"] for i in range(4)]
    assert float(re.search(r"best_value: (.*)", best)[1]) == min(calls)


def test_objectives_are_named_measures():
    assert SweepObjective.of("[psnr_db, calls_mean]").directions == ["maximize", "minimize"]
    assert SweepObjective.of("score").value({"score": 0.5}) == 0.5
    with pytest.raises(ValueError, match="names `score`, and the summary has no such number"):
        SweepObjective.of("score").value({"calls_mean": 3.0})
    with pytest.raises(ValueError, match="must name measures"):
        SweepObjective.of("a b")


def test_what_is_done_is_not_launched_again():
    launched = []

    class Inner:
        def launch(self, jobs, initial_job_idx):
            launched.extend(jobs)
            return ["new"] * len(jobs)

    launcher = RecordedLauncher(Inner(), lambda batch: [4, 9], lambda n: (n == 4, 0.5))
    first, second = launcher.launch([["seed=0"], ["seed=1"]], 0)
    assert launched == [["seed=1", "hydra.sweep.subdir=9"]]
    assert first.return_value == 0.5
    assert second == "new"
