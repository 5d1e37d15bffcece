"""`fastflow sample` writes a complete run directory with the right numbers."""

import pytest

FILES = (
    "config.yaml versions.json records.jsonl samples.jsonl summary.json memory.json report.html"
)


def test_a_run_writes_every_file_and_ends_with_its_path(sample):
    done = sample()
    assert done.status == 0
    assert done.out.strip().endswith(str(done.path))
    for name in FILES.split():
        assert (done.path / name).is_file(), name
    assert len(list((done.path / "images").glob("*.png"))) == 12


def test_the_summary_has_the_documented_numbers(sample):
    summary = sample("policy=every").json("summary.json")
    for name in [
        "samples",
        "steps",
        "calls_full",
        "calls_mean",
        "calls_last20",
        "speedup_calls",
        "speedup_wall",
        "psnr_db",
        "ssim",
        "skip_lengths",
        "policy",
        "extrapolator",
        "corrector",
        "model",
    ]:
        assert name in summary, name
    assert summary["calls_full"] == 50
    assert summary["calls_mean"] == 26  # every second step, and the last
    assert summary["skip_lengths"] == {"0": 6, "1": 144}


def test_never_skipping_gives_identical_images(sample):
    summary = sample("policy=never").json("summary.json")
    assert summary["psnr_db_identical"] == 6
    assert summary["calls_mean"] == 50


def test_without_reference_there_are_no_reference_runs(sample):
    done = sample("reference=false")
    assert "psnr_db" not in done.json("summary.json")
    assert len(list((done.path / "images").glob("*.png"))) == 6


def test_every_decision_is_recorded_with_propensity_and_error(sample):
    done = sample("policy=random_arms")
    records = done.lines("records.jsonl")
    taken = [r for r in records if r["taken"] and r["arm"]]
    assert taken
    assert all(0 < r["propensity"] <= 1 and r["error"] >= 0 for r in taken)
    for row in done.lines("samples.jsonl"):
        arms = [b - a - 1 for a, b in zip(row["computed"], row["computed"][1:], strict=False)]
        mine = [r["arm"] for r in taken if r["sample"] == row["index"]]
        assert mine == [m for m in arms if m]


def test_the_first_sample_of_a_bandit_is_a_warm_up_that_updates_every_arm(sample):
    done = sample("policy=ucb")
    first = done.lines("samples.jsonl")[0]
    assert first["computed"] == list(range(50))
    count = done.json("memory.json")["reward"]["count"]
    assert all(n >= 1 for n in count[0])


def test_results_do_not_depend_on_the_batch_size(sample):
    one = sample("max_batch=1", "samples=20", out="one").lines("samples.jsonl")
    many = sample("max_batch=8", "samples=20", out="many").lines("samples.jsonl")
    by_index = {row["index"]: row["computed"] for row in many}
    assert {row["index"]: row["computed"] for row in one} == by_index


def test_a_memory_can_be_used_frozen_in_another_run(sample):
    first = sample("samples=12", out="first")
    memory = first.path / "memory.json"
    second = sample(f"memory={memory}", "frozen=true", out="second")
    learned, kept = first.json("memory.json"), second.json("memory.json")
    assert second.status == 0
    assert kept["reward"] == learned["reward"]
    lines = {tuple(row["computed"]) for row in second.lines("samples.jsonl")}
    assert len(lines) == 1  # greedy: the same schedule for all


def test_prompts_from_a_file_are_repeated_with_new_seeds(sample, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("one\n\n  two  \n", encoding="utf-8")
    rows = sample(f"prompts={file}", "samples=3", "policy=never").lines("samples.jsonl")
    found = sorted((row["index"], row["prompt"], row["seed"]) for row in rows)
    assert found == [(0, "one", 0), (1, "two", 1), (2, "one", 2)]


@pytest.mark.parametrize("policy", ["ucb_paper", "ucb_released", "epsilon_greedy", "listed"])
def test_every_preset_runs(sample, policy):
    assert sample(f"policy={policy}", "samples=3").status == 0


def test_the_calls_that_learning_took_are_in_the_summary(sample):
    assert "learning_calls" not in sample("policy=every", out="none").json("summary.json")
    words = ["policy=halving", "policy.computed_steps=5", "policy.warmup_samples=2", "steps=12"]
    run = sample(*words, out="some")
    summary = run.json("summary.json")
    assert summary["learning_calls"] == run.json("memory.json")["learning_calls"] > 0
    assert summary["learning_runs"] == summary["learning_calls"] / 12
