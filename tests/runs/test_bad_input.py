"""Bad input gets a message with what is wrong, where, and what to do; nothing is lost."""

import errno
import json

import pytest

from fastflow.runs import directory
from fastflow.sampling import storage
from fastflow_plugins.models import mixture


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["policy=ucbb"], "there is no policy named 'ucbb'. Did you mean 'ucb'?"),
        (
            ["metrics=[fidelityy]"],
            "there is no metric named 'fidelityy'. Did you mean 'fidelity'?",
        ),
        (["stepz=3"], "there is no setting `stepz`. Did you mean `steps`?"),
        (["policy.gama=1"], "there is no setting `policy.gama`. Did you mean `policy.gamma`"),
        (["policy.gamma=-1"], "UCB: `gamma` must be 0 or more, got -1.0."),
        (["policy.gamma=x"], "`policy.gamma` must be a number, got 'x'."),
        (["policy.arms=[2,4]"], "UCB: `arms` must start with 0, got [2, 4]"),
        (["policy.reward.loss=l3"], "`loss` must be one of mse, relative_l2, relative_l1"),
        (["samples=0"], "`samples` must be 1 or more, got 0."),
        (["steps=3"], "`arms` [0, 2, 4, 6] do not fit a grid of 3 steps: at most 1 steps"),
        (["prompt=  "], "`prompt` is empty. Say what to generate."),
        (["prompt="], "`prompt` is empty. Say what to generate."),
        (["prompts="], "`prompts` is empty. Give a path, or leave it out."),
        (["image=", "prompt=a"], "`image` is empty. Give a path, or leave it out."),
        (["memory="], "`memory` is empty. Give a path, or leave it out."),
        (["resume="], "`resume` is empty. Give a path, or leave it out."),
        (["promt=a cat, asleep"], "there is no setting `promt`. Did you mean `prompt`"),
        (["modle.path=a, b"], "there is no setting `modle.path`. Did you mean `model."),
        (["a cat, asleep"], "'a cat, asleep' is not a setting: settings are written key=value"),
        (["steps=4, 5"], "`steps` must be a number, a name, true, false, null or a list such"),
        (["prompts=nowhere.txt"], "`prompts` 'nowhere.txt' does not exist."),
        (["image=a.png"], "`image` needs a `prompt`, or `prompts`: what to do with it."),
        (["image=nowhere.png", "prompt=a"], "`image` 'nowhere.png' does not exist. Give a PNG"),
        (["memory=nowhere.json"], "`memory` 'nowhere.json' does not exist."),
        (["resume=nowhere"], "`resume` 'nowhere' is not a run directory: it has no config.yaml."),
        (["executor.device=cuda"], "`device` is 'cuda', but there is no such GPU. Use cpu."),
    ],
)
def test_the_message_names_what_is_wrong(sample, overrides, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = sample(*overrides)
    assert done.status == 2
    assert message in done.err
    assert not done.path.exists()


def test_an_empty_prompt_file_is_refused(sample, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text(" \n\n")
    done = sample(f"prompts={file}")
    assert done.status == 2
    assert "is empty: it needs one prompt per line." in done.err


def test_an_existing_run_directory_is_not_overwritten(sample):
    first = sample()
    kept = (first.path / "samples.jsonl").read_bytes()
    second = sample()
    assert second.status == 2
    assert "exists already, and nothing is overwritten" in second.err
    assert (first.path / "samples.jsonl").read_bytes() == kept


def test_a_memory_of_another_model_or_grid_is_refused(sample):
    memory = sample(out="first").path / "memory.json"
    other_grid = sample(f"memory={memory}", "steps=40", out="second")
    assert other_grid.status == 2
    assert "steps: here 40, there 50" in other_grid.err
    other_model = sample(f"memory={memory}", "model.seed=1", out="third")
    assert "model: here" in other_model.err


def test_a_truncated_memory_is_refused(sample, tmp_path):
    memory = sample(out="first").path / "memory.json"
    cut = tmp_path / "cut.json"
    cut.write_text(memory.read_text()[:200])
    done = sample(f"memory={cut}", out="second")
    assert done.status == 2
    assert "is not a whole JSON file" in done.err


def test_a_sample_whose_model_returns_nan_is_marked_failed_and_the_run_continues(
    sample, monkeypatch
):
    plain = mixture.MixtureFlow.prepare

    def poisoned(self, request):
        problem = plain(self, request)
        if request.index == 2:
            problem.x[0, 0] = float("nan")
        return problem

    monkeypatch.setattr(mixture.MixtureFlow, "prepare", poisoned)
    done = sample()
    assert done.status == 0
    summary = done.json("summary.json")
    assert (summary["samples"], summary["failed"]) == (6, 1)
    assert "1 samples failed" in done.out
    failed = [row for row in done.lines("samples.jsonl") if row["failure"]]
    assert [row["index"] for row in failed] == [2]
    assert "NaN" not in (done.path / "memory.json").read_text()


def test_a_full_disk_keeps_finished_samples_and_the_message_has_the_command_to_resume(
    sample, monkeypatch
):
    plain = directory.RunWriter.sample

    def fills(self, done, reference, row, rewards):
        if row.index == 4:
            with storage.writing(self.run_dir / "samples.jsonl"):
                raise OSError(errno.ENOSPC, "No space left on device")
        plain(self, done, reference, row, rewards)

    monkeypatch.setattr(directory.RunWriter, "sample", fills)
    stopped = sample("max_batch=1")
    assert stopped.status == 1
    assert "the disk is full" in stopped.err
    assert f"fastflow sample resume={stopped.path}" in stopped.err
    kept = len(stopped.lines("samples.jsonl"))
    assert kept >= 4
    monkeypatch.setattr(directory.RunWriter, "sample", plain)
    resumed = sample(f"resume={stopped.path}")
    assert resumed.status == 0
    assert len(resumed.lines("samples.jsonl")) == 6


def test_a_corrector_of_too_low_an_order_gets_a_warning(sample):
    done = sample("extrapolator=quadratic", "policy=every")
    assert "Use corrector.order=2 or more." in done.out
    better = sample("extrapolator=quadratic", "corrector.order=2", "policy=every", out="better")
    assert "corrector.order" not in better.out


def test_a_run_of_few_steps_gets_a_warning(sample):
    done = sample("steps=4", "policy=every")
    assert "4 steps leave little to skip" in done.out
    assert json.loads((done.path / "summary.json").read_text())["warnings"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [(["samples=2"], "has seen 2"), (["samples=3", "frozen=true"], "holds nothing and is frozen")],
)
def test_a_run_that_only_learned_gets_a_warning(sample, settings, reason):
    policy = ["policy=plan", "policy.computed_steps=5", "policy.warmup_samples=2"]
    done = sample(*policy, *settings, "steps=12")
    assert "nothing was skipped: the policy learns from the first 2 samples" in done.out
    assert reason in done.out
    enough = sample(*policy, "samples=3", "steps=12", out="enough")
    assert "nothing was skipped" not in enough.out


def test_a_comparison_is_not_resumed_as_a_run(sample, tmp_path):
    (tmp_path / "rows").mkdir()
    done = sample(f"resume={tmp_path}")
    assert done.status == 2
    assert f"is a comparison. Resume it with: fastflow compare resume={tmp_path}" in done.err
