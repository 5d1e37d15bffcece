"""What a run of W&B holds, read back from its file; how it begins, and how it goes on."""

import json
import math
import os
import subprocess
import sys

import pytest
from wandb_files import offline_runs
from wandb_server import serving

from fastflow.cli import main
from fastflow.evaluation import FinishedRun
from fastflow.registry import build
from fastflow_plugins.observers import WandB

WORDS = ["model=mixture", "executor=inline", "metrics=[fidelity]", "steps=12", "samples=5"]
MINE = ["observers=[wandb]", "observer.wandb.group=first look", "observer.wandb.images=2"]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """One run that several tests read."""
    path = tmp_path_factory.mktemp("wandb") / "run"
    more = ["observer.wandb.tags=[mixture,quick]", "policy=ucb", f"out={path}"]
    assert main(["sample", *WORDS, *MINE, *more]) == 0
    return path


@pytest.fixture(scope="module")
def mirrored(sampled):
    (run,) = offline_runs(sampled)
    return run


def rows_of(path):
    lines = (path / "samples.jsonl").read_text().splitlines()
    return sorted(map(json.loads, lines), key=lambda row: row["index"])


def test_a_run_has_its_group_kind_tags_and_plain_nested_settings(sampled, mirrored):
    run = mirrored.run
    assert (run.project, run.run_group, run.job_type) == ("fastflow", "first look", "sample")
    assert (list(run.tags), run.display_name) == (["mixture", "quick"], "run")
    assert mirrored.config["policy"]["reward"] == {
        "component": "normalised",
        "loss": "relative_l2",
        "mu": 0.3,
    }


def test_curves_are_over_samples_and_leave_the_summary_to_the_whole_run(sampled, mirrored):
    rows = rows_of(sampled)
    logged = [line for line in mirrored.history if "sample" in line]
    assert [line["sample"] for line in logged] == [0, 1, 2, 3, 4]
    assert [line["calls"] for line in logged] == [row["calls"] for row in rows]
    assert [line.get("psnr_db") for line in logged[1:]] == [
        row["metrics"]["psnr_db"] for row in rows[1:]
    ]
    for name in ("calls", "psnr_db", "reward", "seconds/denoise"):
        assert mirrored.metrics[name].step_metric == "sample"
        assert mirrored.metrics[name].summary.none
    summary = json.loads((sampled / "summary.json").read_text())
    for name in ("psnr_db", "calls_mean", "speedup_calls", "flips", "policy"):
        assert mirrored.summary[name] == summary[name]
    assert "calls" not in mirrored.summary


def test_one_table_has_prompts_full_and_skipped_side_by_side(sampled, mirrored):
    last = mirrored.history[-1]
    assert last["samples._type"] == "table-file"
    columns, data = mirrored.table("samples")
    assert columns[:7] == ["sample", "prompt", "task", "seed", "full", "skipped", "calls"]
    assert [line[0] for line in data] == [0, 1, 2, 3, 4]
    assert [line[4] and line[4]["_type"] for line in data] == ["image-file"] * 2 + [None] * 3
    assert data[0][4]["path"] != data[0][5]["path"]


def test_the_table_of_decisions_has_what_was_taken(sampled, mirrored):
    columns, data = mirrored.table("decisions")
    lines = map(json.loads, (sampled / "records.jsonl").read_text().splitlines())
    assert data == [[line.get(name) for name in columns] for line in lines if line["taken"]]
    assert columns == ["sample", "step", "arm", "error", "propensity", "reward"]


def test_memory_plan_report_and_directory_are_artifacts(sampled, mirrored):
    files = {kind: names for (kind, _), names in mirrored.artifacts.items() if kind != "run_table"}
    assert files["memory"] == ["memory.json"]
    assert files["plan"] == ["plan.json"]
    assert files["report"] == ["report.html"]
    directory = files["directory"]
    assert {"config.yaml", "samples.jsonl", "summary.json", "report.html"} <= set(directory)
    images = [name for name in directory if name.endswith(".png")]
    assert images == [f"images/{i:04d}{end}.png" for i in (0, 1) for end in ("", "_full")]
    assert not [name for name in directory if name.startswith(("wandb", ".lock"))]
    assert ("memory", "memory-mixture-ucb") in mirrored.artifacts
    (plan,) = sampled.glob("wandb/offline-run-*/files/plan.json")
    assert json.loads(plan.read_text()) == {
        "sample": 4,
        "computed": rows_of(sampled)[4]["computed"],
    }


def test_a_resumed_run_goes_on_as_the_same_run(tmp_path, sampled, command):
    path = tmp_path / "stopped"
    words = [*WORDS, *MINE, "policy=ucb", f"out={path}"]
    assert command("sample", *words).status == 0
    kept = (path / "samples.jsonl").read_text().splitlines(keepends=True)
    (path / "samples.jsonl").write_text("".join(kept[:3]))
    records = (path / "records.jsonl").read_text().splitlines(keepends=True)
    done = [line for line in records if json.loads(line)["sample"] < 3]
    (path / "records.jsonl").write_text("".join(done))
    assert command("sample", f"resume={path}").status == 0
    before, after = offline_runs(path)
    assert before.run.run_id == after.run.run_id
    assert json.loads((path / "wandb.json").read_text()) == {
        "id": before.run.run_id,
        "project": "fastflow",
    }
    assert [line["sample"] for line in after.history if "sample" in line] == [3, 4]
    for name in ("samples", "decisions"):  # the tables have all of the run
        assert after.table(name)[1][-1][0] == 4
        assert after.table(name)[1][0][0] == 0
    assert after.summary["psnr_db"] == pytest.approx(before.summary["psnr_db"], rel=1e-6)


@pytest.mark.parametrize("content", ["{", '{"id": "../x", "project": "fastflow"}', "[1]"])
def test_a_damaged_note_of_the_run_becomes_a_new_run_with_one_line(tmp_path, capsys, content):
    (tmp_path / "wandb.json").write_text(content)
    with WandB().open(tmp_path, {"names": {}}):
        pass
    assert capsys.readouterr().err.count("this becomes a new run of W&B.") == 1
    (run,) = offline_runs(tmp_path)
    assert json.loads((tmp_path / "wandb.json").read_text())["id"] == run.run.run_id


def test_a_comparison_shows_all_methods_side_by_side(tmp_path, command):
    path = tmp_path / "comparison"
    words = ["model=mixture", "steps=12", "targets=[8,5]", "samples=3", "tuning=4", "pairs=0"]
    words += ["converged_steps=0", "methods=[euler,uniform,ucb]", "metrics=[fidelity]"]
    assert command("compare", *words, "observers=[wandb]", f"out={path}").status == 0
    (mirrored,) = offline_runs(path)
    assert mirrored.run.job_type == "compare"
    columns, data = mirrored.table("side_by_side")
    assert columns == ["sample", "prompt", "target", "full", "euler", "uniform", "ucb"]
    assert [(line[0], line[2]) for line in data] == [(i, t) for i in range(3) for t in (8, 5)]
    assert all(cell["_type"] == "image-file" for line in data for cell in line[3:])
    curves = [line for line in mirrored.history if "target" in line]
    assert [curve["target"] for curve in curves] == [5, 8]
    assert curves[0]["calls/euler"] == 5
    assert mirrored.metrics["psnr_db/uniform"].step_metric == "target"
    results = json.loads((path / "comparison.json").read_text())
    for finding in results["findings"]:
        assert mirrored.summary[f"gain_db/{finding['target']}"] == finding["difference"][0]
    names = {kind for kind, _ in mirrored.artifacts}
    assert names == {"run_table", "report", "directory"}


def test_a_study_is_mirrored_as_one_group_and_again_as_the_same_runs(tmp_path, sampled):
    summary = json.loads((sampled / "summary.json").read_text())
    runs = [
        FinishedRun(name="run", config={"policy": {"component": "ucb"}}, measures=summary),
        FinishedRun(name="other", config={"seed": 1}, measures={"psnr_db": math.inf}),
    ]
    for _ in range(2):
        build("observer", {"component": "wandb", "group": "study"}).mirror(runs, tmp_path)
    mirrored = offline_runs(tmp_path)
    assert [one.run.display_name for one in mirrored] == ["run", "other"] * 2
    assert {(one.run.run_group, one.run.job_type) for one in mirrored} == {("study", "study")}
    assert len({one.run.run_id for one in mirrored}) == 2
    assert mirrored[0].summary["psnr_db"] == summary["psnr_db"]
    assert mirrored[0].config["policy"]["component"] == "ucb"


def test_a_study_needs_a_group(tmp_path):
    with pytest.raises(ValueError, match=r"^`group` is missing: the runs of a study are mirrored"):
        WandB().mirror([], tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": -1}, "`images` must be 0 or more, got -1."),
        ({"project": " "}, "`project` is empty. Give the name of a W&B project."),
        ({"tags": ["a", ""]}, "`tags` must have 1 to 64 letters each, got ''."),
        (
            {"artifacts": ["reports"]},
            "`artifacts` must be of memory, plan, report, directory, got 'reports'.",
        ),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=r"^`") as refused:
        WandB(**options)
    assert str(refused.value) == message


@pytest.fixture
def asked_modes(monkeypatch, tmp_path):
    """Returns the modes that W&B is asked for; nothing is sent anywhere."""
    import wandb

    modes, begin = [], wandb.init
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_SWEEP_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "nothing"))

    def init(**options):
        modes.append(options["mode"])
        if options["mode"] != "offline":
            raise wandb.errors.CommError("no such host\nand more")
        return begin(**options)

    monkeypatch.setattr(wandb, "init", init)
    return modes


def begin(tmp_path, **options):
    with WandB(**options).open(tmp_path, {"names": {}}):
        pass


def test_a_run_is_offline_unless_asked_even_with_a_login(asked_modes, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    begin(tmp_path)
    assert asked_modes == ["offline"]


@pytest.mark.parametrize("how", ["setting", "environment", "agent"])
def test_what_is_asked_for_is_tried_and_becomes_an_offline_run(
    asked_modes, tmp_path, monkeypatch, capsys, how
):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    if how == "environment":
        monkeypatch.setenv("WANDB_MODE", "online")
    elif how == "agent":
        monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    begin(tmp_path, online=how == "setting")
    assert asked_modes == ["online", "offline"]
    line = "fastflow: W&B cannot be used (no such host): this becomes an offline run.\n"
    assert capsys.readouterr().err == line


def test_another_mode_is_told_and_taken_as_offline(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "of line")
    begin(tmp_path)
    assert capsys.readouterr().err == (
        "fastflow: WANDB_MODE must be one of online, offline, shared, disabled, dryrun, run, got "
        "'of line': taken as offline.\n"
    )
    assert os.environ["WANDB_MODE"] == "of line"
    assert len(offline_runs(tmp_path)) == 1


def test_without_a_login_nothing_is_sent(asked_modes, tmp_path, capsys):
    begin(tmp_path, online=True)
    assert asked_modes == ["offline"]
    assert capsys.readouterr().err == (
        "fastflow: nobody is logged in to W&B (wandb login): this becomes an offline run.\n"
    )


def test_an_offline_run_asks_no_server_for_anything(tmp_path):
    """Not even that it is in use, which W&B reports otherwise; with a login too."""
    with serving() as (own, asked):
        env = {name: v for name, v in os.environ.items() if not name.startswith("WANDB")}
        code = "import sys; from fastflow.cli import main; sys.exit(main(sys.argv[1:]))"
        words = ["sample", *WORDS, "observers=[wandb]", f"out={tmp_path / 'run'}"]
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, env=env | own, check=False, timeout=120)
    assert done.returncode == 0
    assert not asked
    assert len(offline_runs(tmp_path / "run")) == 1


def test_wandb_is_loaded_only_when_asked_for():
    code = "import sys, fastflow_plugins.plugin; assert 'wandb' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
