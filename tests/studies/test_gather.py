import json

import pytest
from written_runs import row_of

from fastflow.errors import UserError
from fastflow.studies.reading.gather import gather


def reasons(gathered):
    return {one.name: one.why for one in gathered.left_out}


def sweep(path, *runs):
    keys = ("path", "status", "error")
    listed = [
        dict(zip(keys, run)) | {"overrides": [f"policy.reward.mu={i}"]}
        for i, run in enumerate(runs)
    ]
    content = {"command": "sample", "settings": [], "swept": ["policy.reward.mu"], "runs": listed}
    path.mkdir(exist_ok=True)
    (path / "sweep.json").write_text(json.dumps(content))
    return path


def test_runs_are_found_in_nested_folders_numbered_ones_by_their_numbers(write_run, tmp_path):
    for i in (10, 9, 2):
        write_run(f"many/{i}", [30.0, 31.0], mu=float(i))
    write_run("many/.hidden", [30.0])
    found = gather([tmp_path / "many"])
    assert [run.name for run in found.runs] == ["many/2", "many/9", "many/10"]


def test_of_a_sweep_only_runs_that_are_done_count_and_the_others_are_named(write_run, tmp_path):
    write_run("sweep/0", [30.0, 31.0])
    write_run("sweep/1", [32.0, 33.0])
    path = sweep(
        tmp_path / "sweep",
        ("0", "done", None),
        ("1", "failed", "the disk is full"),
        ("2", "running", None),
        ("3", "waiting", None),
        ("4", "done", None),
    )
    found = gather([path])
    assert [run.name for run in found.runs] == ["sweep/0"]
    assert found.runs[0].swept == ("policy.reward.mu",)
    assert reasons(found) == {
        "sweep/1": "it failed (policy.reward.mu=1): the disk is full",
        "sweep/2": "it is unfinished (policy.reward.mu=2)",
        "sweep/3": "it was not begun (policy.reward.mu=3)",
        "sweep/4": "it is done by sweep.json (policy.reward.mu=4), but its folder is gone.",
    }


def test_an_unfinished_run_is_named_and_left_out(write_run, tmp_path):
    write_run("good", [30.0, 31.0])
    write_run("begun", [30.0], summary=False)
    write_run("grown", [30.0, 31.0])
    (tmp_path / "grown" / "summary.json").write_text('{"samples": 9}')
    write_run("failed", [row_of(0, 0.0, metrics={}, failure="out of memory")])
    found = gather([tmp_path])
    assert [run.name.rpartition("/")[2] for run in found.runs] == ["good"]
    assert {name.rpartition("/")[2]: why for name, why in reasons(found).items()} == {
        "begun": "it is unfinished: 1 samples and no summary.json.",
        "grown": "it is unfinished: summary.json counts 9 samples and samples.jsonl has 2.",
        "failed": "all 1 samples failed, the first one with: out of memory",
    }


BROKEN = {
    "config.yaml": [
        "",
        "- 1",
        "steps: 12",
        "steps: x\nnames: {model: m}",
        "a: *b",
        "\0",
        "[" * 99,
    ],
    "samples.jsonl": [
        "",
        "[]",
        "{}\n{}",
        '{"index": -1, "calls": 1, "computed": []}',
        '{"index": 0, "calls": 1, "computed": [99]}',
        '{"index": 0, "calls": 1, "computed": [3, 1]}',
    ],
    "summary.json": ["", "[]", "{}", '{"samples": "2"}', "[" * 9999],
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, ts in BROKEN.items() for t in ts])
def test_a_broken_run_is_named_and_the_study_goes_on(write_run, tmp_path, name, text):
    write_run("good", [30.0, 31.0])
    broken = write_run("broken", [30.0, 31.0], mu=0.3)
    (broken / name).write_text(text)
    found = gather([tmp_path / "good", broken])
    assert [run.name for run in found.runs] == ["good"]
    (why,) = reasons(found).values()
    assert "\n" not in why
    assert why.endswith((".", "!")) or "got" in why


def test_a_link_out_of_a_run_is_refused_and_so_is_a_sweeps_path(write_run, tmp_path):
    write_run("good", [30.0, 31.0])
    outside = write_run("outside", [30.0, 31.0], mu=0.3)
    linked = write_run("linked", [30.0, 31.0], mu=1.0)
    (linked / "samples.jsonl").unlink()
    (linked / "samples.jsonl").symlink_to(outside / "samples.jsonl")
    lured = sweep(tmp_path / "lured", ("x", "done", None))
    (lured / "x").symlink_to(outside)
    away = sweep(tmp_path / "away", ("../outside", "done", None))
    found = gather([tmp_path / "good", linked, lured, away])
    assert [run.name for run in found.runs] == ["good"]
    why = reasons(found)
    assert "a symbolic link that leads out" in why["linked"]
    assert why["lured/x"] == "its path leads out of the sweep's folder."
    assert "must be a file inside the directory, got '../outside'" in why["away"]


def test_a_sweep_file_that_is_a_link_elsewhere_is_not_read(write_run, tmp_path):
    write_run("good", [30.0])
    real = sweep(tmp_path / "real", ("0", "done", None))
    (tmp_path / "lure").mkdir()
    (tmp_path / "lure" / "sweep.json").symlink_to(real / "sweep.json")
    found = gather([tmp_path / "good", tmp_path / "lure"])
    assert "leads out of its folder" in reasons(found)["lure"]


def test_the_same_run_twice_counts_once(write_run, tmp_path):
    write_run("a", [30.0, 31.0])
    write_run("copy", [30.0, 31.0])
    found = gather([tmp_path / "a", tmp_path / "a", tmp_path / "copy"])
    assert [run.name for run in found.runs] == ["a"]
    assert reasons(found) == {
        "copy": "it has the settings and the seed of a: counted twice, intervals would be too "
        "narrow."
    }


def test_what_is_no_directory_or_holds_no_run_is_refused(write_run, tmp_path):
    usage = "Give directories that `fastflow sample`, a sweep or `fastflow compare` wrote."
    with pytest.raises(UserError) as error:
        gather([tmp_path / "nowhere"])
    assert str(error.value) == f"{str(tmp_path / 'nowhere')!r} does not exist. {usage}"
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as error:
        gather([tmp_path / "empty"])
    assert str(error.value) == f"no finished run was found. {usage}"
    write_run("begun", [30.0], summary=False)
    with pytest.raises(UserError, match="Left out: begun: it is unfinished: 1 samples"):
        gather([tmp_path / "begun"])


def test_numbers_that_cannot_be_averaged_are_left_out(write_run, tmp_path):
    path = write_run("a", [30.0, 1e300, float("inf")])
    (run,) = gather([path]).runs
    assert run.mean("psnr_db") == 30.0
    assert run.identical == 1
