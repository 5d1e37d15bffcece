"""A resumed run is the run that began, or says what is different."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from fastflow.cli import main
from fastflow.runs import directory
from fastflow.runs.resuming.fingerprints import files_in
from fastflow.runs.resuming.inputs import Inputs, input_changes
from fastflow_plugins.models.diffusers import PipelineRecipe
from fastflow_plugins.models.mixture import Mixture


@pytest.fixture
def stopped(sample, tmp_path, monkeypatch):
    """A run on a file of prompts and a memory, with relative paths, stopped at sample 3."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("a cat\na dog\n")
    learned = sample("samples=4", "policy=ucb", out="learned")
    shutil.copy(learned.path / "memory.json", tmp_path / "memory.json")
    plain = directory.RunWriter.sample

    def interrupts(self, done, reference, row, rewards):
        if row.index == 3:
            raise KeyboardInterrupt
        plain(self, done, reference, row, rewards)

    with monkeypatch.context() as patched:
        patched.setattr(directory.RunWriter, "sample", interrupts)
        done = sample("samples=6", "policy=ucb", "prompts=prompts.txt", "memory=memory.json")
    assert done.status == 130
    return done


def test_relative_paths_are_those_seen_from_where_the_run_began(
    stopped, sample, tmp_path, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert sample("resume=../run").status == 0
    assert len(stopped.lines("samples.jsonl")) == 6
    assert "prompts: prompts.txt" in (stopped.path / "config.yaml").read_text()
    assert stopped.json("inputs.json")["working_directory"] == str(tmp_path)
    assert "working_directory" not in (stopped.path / "report.html").read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("prompts.txt", "the file that `prompts` names has another content; prompt"),
        ("memory.json", "the file that `memory` names has another content"),
    ],
)
def test_a_changed_input_is_named_and_can_be_forced(stopped, sample, tmp_path, name, said):
    path = tmp_path / name
    path.write_text(path.read_text().replace("a dog", "a cow") + " ")
    refused = sample("resume=run")
    assert refused.status == 2
    assert said.partition(";")[0] in refused.err
    assert "go on all the same, which the report will say" in refused.err
    assert len(stopped.lines("samples.jsonl")) == 3
    assert sample("resume=run", "force=true").status == 0
    assert said.partition(";")[0] in stopped.json("summary.json")["warnings"][0]
    assert "Resumed with force=true" in (stopped.path / "report.html").read_text()
    assert stopped.json("inputs.json")["forced"]


@pytest.mark.parametrize("name", ["prompts.txt", "memory.json"])
def test_a_missing_input_is_named(stopped, sample, tmp_path, name):
    (tmp_path / name).unlink()
    refused = sample("resume=run")
    assert refused.status == 2
    assert f"what `{name.partition('.')[0]}` names is missing" in refused.err


def test_an_edited_configuration_is_another_run(stopped, sample):
    config = stopped.path / "config.yaml"
    config.write_text(config.read_text().replace("steps: 50", "steps: 40"))
    assert "the setting `steps` in config.yaml is another" in sample("resume=run").err


def test_other_versions_are_named(stopped, sample):
    inputs = stopped.json("inputs.json")
    inputs["versions"]["torch"] = "1.0"
    (stopped.path / "inputs.json").write_text(json.dumps(inputs))
    assert "torch was 1.0 and is 2." in sample("resume=run").err


def test_a_changed_image_of_a_prompt_is_noticed(sample, tmp_path, monkeypatch):
    from fastflow.runs.resuming.fingerprints import of_requests
    from fastflow.sampling import Request

    one, two = (Image.new("RGB", (2, 2), colour) for colour in ("red", "blue"))
    requests = [Request(0, "a cat", 0, 50, image=image) for image in (one, two, one)]
    first, second, third = of_requests(requests)
    assert first == third != second


def test_a_run_without_noted_inputs_is_resumed(stopped, sample):
    (stopped.path / "inputs.json").unlink()
    assert sample("resume=run").status == 0


@pytest.mark.parametrize("broken", ["{", "[]", '{"a": 1}', '{"settings": 3}'])
def test_damaged_inputs_are_named(stopped, sample, broken):
    (stopped.path / "inputs.json").write_text(broken)
    refused = sample("resume=run")
    assert refused.status == 2
    assert "inputs.json" in refused.err


def test_force_is_for_resuming(sample):
    assert "`force` is for a run that is resumed" in sample("force=true").err


def test_a_copy_of_a_model_folder_is_the_same_and_a_changed_one_is_not(tmp_path):
    (tmp_path / "a" / "unet").mkdir(parents=True)
    (tmp_path / "a" / "config.json").write_text("{}")
    large = bytes(5 << 20)
    (tmp_path / "a" / "unet" / "weights").write_bytes(large)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")
    (tmp_path / "b" / "unet" / "weights").write_bytes(large[:-1] + b"1")
    changed = files_in(tmp_path / "a").items() ^ files_in(tmp_path / "b").items()
    assert {name for name, _ in changed} == {"unet/weights"}


def doubled_row(path):
    lines = (path / "samples.jsonl").read_text().splitlines(keepends=True)
    (path / "samples.jsonl").write_text("".join([*lines, lines[1]]))


def doubled_records(path):
    text = (path / "records.jsonl").read_text()
    (path / "records.jsonl").write_text(text + text)


def lost_records(path):
    lines = (path / "records.jsonl").read_text().splitlines(keepends=True)
    (path / "records.jsonl").write_text("".join(lines[1:]))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (doubled_row, "samples.jsonl, line 4, is a second row of sample 1"),
        (doubled_records, "has lines in records.jsonl twice"),
        (lost_records, "records, of which records.jsonl has"),
    ],
)
def test_lost_and_doubled_lines_are_found_and_can_be_generated_again(
    stopped, sample, damage, said
):
    damage(stopped.path)
    refused = sample("resume=run")
    assert refused.status == 2
    assert said in refused.err
    assert (
        "generate these samples again with: fastflow sample resume=run force=true" in refused.err
    )
    assert sample("resume=run", "force=true").status == 0
    rows = stopped.lines("samples.jsonl")
    assert sorted(row["index"] for row in rows) == list(range(6))
    assert said in stopped.json("summary.json")["warnings"][0]


def test_a_row_missing_in_the_middle_is_generated_again(stopped, sample):
    lines = (stopped.path / "samples.jsonl").read_text().splitlines(keepends=True)
    (stopped.path / "samples.jsonl").write_text("".join([lines[0], lines[2]]))
    assert sample("resume=run").status == 0
    assert len(stopped.lines("samples.jsonl")) == 6


COMMITS = "0123456789" * 4, "abcdef0123" * 4
HUB = {"model": {"component": "flux", "path": "owner/name", "revision": None}, "names": {}}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A function that puts commits of a repository into the hub's local cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def hold(**refs):
        folder = tmp_path / "hub" / "models--owner--name"
        (folder / "refs").mkdir(parents=True, exist_ok=True)
        for name, commit in refs.items():
            (folder / "refs" / name).write_text(commit)
            (folder / "snapshots" / commit).mkdir(parents=True, exist_ok=True)

    return hold


def noted(**model):
    config = {**HUB, "model": {**HUB["model"], **model}}
    return Inputs.of(config, (), {}, Path.cwd())


def test_a_model_of_the_hub_is_noted_by_its_commit(hub):
    hub(main=COMMITS[0], v2=COMMITS[1])
    assert noted().files == {"model.path": {"commit": COMMITS[0]}}
    assert noted(revision="v2").files == {"model.path": {"commit": COMMITS[1]}}
    assert noted(revision=COMMITS[1]).files == {"model.path": {"commit": COMMITS[1]}}
    for absent in ({"revision": "../../x"}, {"path": "owner/other"}, {"path": "/owner/name"}):
        assert noted(**absent).files == {}


@pytest.mark.parametrize("command", ["sample", "compare"])
def test_a_model_that_the_run_itself_downloads_is_noted_too(command, hub, monkeypatch, tmp_path):
    def load(recipe, device="cpu", dtype="float32"):
        hub(main=COMMITS[0])
        return Mixture().load(device, dtype)

    monkeypatch.setattr(PipelineRecipe, "load", load)
    monkeypatch.chdir(tmp_path)
    quick = ["executor=inline", "metrics=[]", "steps=6", "prompt=a cat", "samples=1", "out=run"]
    quick += ["targets=[3]", "methods=[euler]", "tuning=1"] if command == "compare" else []
    assert main([command, "model=flux_dev", "model.path=owner/name", *quick]) == 0
    files = {"model.path": {"commit": COMMITS[0]}}
    assert Inputs.read(tmp_path / "run").files == files


def test_another_commit_is_named(hub, tmp_path):
    hub(main=COMMITS[0])
    before = noted()
    hub(main=COMMITS[1])
    assert list(input_changes(before, noted())) == [
        f"the hub repository that `model.path` names was at commit {COMMITS[0]} and is "
        f"{COMMITS[1]}"
    ]
    shutil.rmtree(tmp_path / "hub")
    (gone,) = input_changes(before, noted())
    assert gone.endswith("and is not in the local cache")
