"""`fastflow sample` with a target."""

import pytest
import yaml

from fastflow.cli import main


def computed(done):
    return [row["calls"] for row in done.lines("samples.jsonl")]


@pytest.mark.parametrize(
    ("words", "policy", "count"),
    [
        (["speedup=2.6"], "plan", 19),
        (["speedup=2.6", "steps=28"], "plan", 11),
        (["quality=near_lossless"], "plan", 25),
        (["computed_steps=7"], "plan", 7),
        (["speedup=5", "policy=uniform"], "uniform", 10),
    ],
)
def test_a_target_sets_the_number_of_computed_steps(sample, words, policy, count):
    done = sample(*words, "metrics=[]", "samples=3")
    assert done.status == 0
    assert computed(done)[1:] == [count, count]
    config = yaml.safe_load((done.path / "config.yaml").read_text())
    assert config["names"]["policy"] == config["policy"]["component"] == policy
    assert config["policy"]["computed_steps"] == count


def test_an_error_is_kept_by_the_policy_bounded(sample):
    done = sample("max_error=0.05", "metrics=[]", "samples=4")
    counts = computed(done)
    assert [counts[0], counts[2]] == [50, 50]  # audits
    assert counts[1] < 50
    assert done.json("summary.json")["learning_calls"] > 0
    assert done.json("memory.json")["audits"][0][:2] == [1, counts[1]]


def test_without_a_target_nothing_changes(sample):
    done = sample("metrics=[]", "samples=1", "reference=false")
    assert done.json("summary.json")["policy"] == "ucb"


def test_a_run_with_a_target_is_resumed(sample):
    done = sample("speedup=2.6", "metrics=[]", "samples=4")
    lines = (done.path / "samples.jsonl").read_text().splitlines(keepends=True)
    before = (done.path / "samples.jsonl").read_text()
    (done.path / "samples.jsonl").write_text("".join(lines[:2]))
    records = (done.path / "records.jsonl").read_text().splitlines(keepends=True)
    of_both = [r for r in records if '"sample": 0' in r or '"sample": 1' in r]
    (done.path / "records.jsonl").write_text("".join(of_both))
    assert sample(f"resume={done.path}").status == 0
    after = (done.path / "samples.jsonl").read_text()
    assert len(after.splitlines()) == len(before.splitlines())
    assert set(computed(done)[1:]) == {19}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["policy=every", "speedup=2"],
            "`speedup` sets a policy's `computed_steps`, which Every does not have. Choose no "
            "policy, or plan, halving or uniform.",
        ),
        (
            ["policy=plan", "max_error=0.1"],
            "`max_error` sets a policy's `max_error`, which Plan does not have. Choose no policy, "
            "or bounded.",
        ),
        (["quality=best"], "`quality` must be near_lossless, high or fast, got 'best'."),
        (["speedup=2", "quality=high"], "got speedup=2.0 and quality='high'."),
        (["computed_steps=60"], "`computed_steps` must be at most 50 on a grid of 50 steps"),
        (["quality=high", "steps=8"], "`quality` 'high' cannot be kept on a grid of 8 steps"),
    ],
)
def test_wrong_targets_are_refused_and_nothing_is_written(sample, words, message):
    done = sample(*words)
    assert done.status == 2
    assert message in done.err
    assert not done.path.exists()


def test_a_target_is_not_used_in_a_calibration(capsys):
    assert main(["calibrate", "teacache", "speedup=2"]) == 2
    assert "`speedup` is not used in a calibration. Leave it out." in capsys.readouterr().err
