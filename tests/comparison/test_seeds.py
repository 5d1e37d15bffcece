"""`compare seeds=3`: tuning is repeated, intervals contain it, and pages say so."""

import json
import shutil

import pytest

from fastflow.cli import main
from fastflow.comparison.cells.row_work import RowWork
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.evaluation.bootstrap import student

WORDS = (
    "methods=[uniform,random_arms,ucb,oracle_linear_corrected]",
    "targets=[6]",
    "pairs=1",
    "converged_steps=0",
    "seeds=3",
    "examples=1",
)


@pytest.fixture(scope="module")
def repeated(compare_into, tmp_path_factory):
    """One comparison with three seeds."""
    return compare_into(tmp_path_factory.mktemp("repeated") / "done", *WORDS)


def psnr_of(folder, method, target):
    """Returns the mean PSNR of a row of one seed, from its file."""
    row = json.loads((folder / "rows" / f"{method}-at-{target}.json").read_text())

    def mean(samples):
        return sum(min(s["metrics"]["psnr_db"] or 99.0, 99.0) for s in samples) / len(samples)

    share = row["second"]["share"] if row["second"] else 0.0
    other = row["second"]["samples"] if row["second"] else row["samples"]
    return (1 - share) * mean(row["samples"]) + share * mean(other)


def folders(done):
    return [done.path, *(done.path / "seeds" / seed for seed in ("1000", "2000"))]


def test_each_seed_is_in_one_directory_with_decisions_and_noise_of_its_own(repeated):
    assert repeated.status == 0
    decisions, noises = set(), []
    for folder in folders(repeated):
        row = json.loads((folder / "rows" / "random_arms-at-6.json").read_text())
        decisions.add(json.dumps([sample["computed"] for sample in row["samples"]]))
        noises += [sample["seed"] for sample in row["samples"]]
    assert len(decisions) == 3
    assert noises == [seed + i for seed in (0, 1000, 2000) for i in range(5)]


def test_a_row_is_the_mean_over_seeds_and_its_interval_contains_their_spread(repeated):
    for line in repeated.results["table"]:
        means = [psnr_of(folder, line["method"], 6) for folder in folders(repeated)]
        mean, low, high = line["fidelity"]["psnr_db"]
        assert mean == pytest.approx(sum(means) / 3)
        assert list(line["psnr_of_seeds"].values()) == pytest.approx(means)
        spread = line["between_seeds"]
        assert (high - low) / 2 >= student(2) * spread / 3**0.5 - 1e-9
        assert line["speedup_wall"] is None or len(line["speedup_wall"]) == 3


def test_the_page_the_table_and_the_command_say_what_the_intervals_cover(repeated, done, capsys):
    words = "over 3 tunings and 5 samples each"
    assert repeated.results["intervals"] == words
    page = " ".join((repeated.path / "report.html").read_text().split())
    assert f"with 95 % intervals {words}, the highest mean PSNR first, marked rows last" in page
    assert "All of it was repeated with the seeds 0, 1000, 2000, tuning included" in page
    assert "Between seeds" in page
    assert done.results["intervals"] == "over samples only: one tuning"
    single = " ".join((done.path / "report.html").read_text().split())
    assert "95 % intervals over samples only: one tuning" in single
    assert "How much another tuning would change is not in these intervals" in single


def test_the_finding_and_the_checks_are_over_all_seeds(repeated):
    checks = {check["what"]: check for check in repeated.results["checks"]}
    oracle = checks["No schedule has a lower recorded cost than the oracle of its own scheme"]
    assert oracle["holds"] is True
    assert oracle["why"] == "3 compared"  # uniform, with each seed
    for finding in repeated.results["findings"]:
        rows = [repeated.row(finding[who], 6)["fidelity"]["psnr_db"] for who in ("ours", "peer")]
        assert finding["difference"][0] == pytest.approx(rows[0][0] - rows[1][0])


def test_an_interrupted_seed_is_resumed_in_the_same_directory(compare, repeated, monkeypatch):
    plain, made = RowWork.row, []

    def interrupted(job, name, target):
        if job.settings.seed == 1000 and name == "ucb":
            raise KeyboardInterrupt
        return plain(job, name, target)

    monkeypatch.setattr(RowWork, "row", interrupted)
    stopped = compare(*WORDS)
    assert stopped.status == 130
    assert main(["report", str(stopped.path)]) == 0
    assert any("6 of 12 rows are missing" in text for text in stopped.results["left_out"])
    monkeypatch.setattr(RowWork, "row", lambda *call: made.append(call[1:]) or plain(*call))
    resumed = compare(f"resume={stopped.path}")
    assert resumed.status == 0
    assert len(made) == 6
    for line in repeated.results["table"]:
        assert resumed.row(line["method"], 6)["fidelity"] == line["fidelity"]


def test_pool_takes_a_comparison_of_several_seeds_apart(repeated, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["pool", *map(str, folders(repeated)[1:]), f"out={out}"]) == 0
    assert json.loads((out / "pooled.json").read_text())["seeds"] == [1000, 2000]
    whole = tmp_path / "whole"
    assert main(["pool", str(repeated.path), f"out={whole}"]) == 0
    pooled = json.loads((whole / "pooled.json").read_text())
    assert pooled["seeds"] == [0, 1000, 2000]
    assert pooled["intervals"] == "over 3 tunings and 5 samples each"
    for row in pooled["table"]:
        line = repeated.row(row["method"], 6)
        assert row["psnr"] == pytest.approx(line["fidelity"]["psnr_db"])
        assert row["between_seeds"] == pytest.approx(line["between_seeds"])


def test_pool_refuses_a_seed_that_is_not_finished(repeated, tmp_path, capsys):
    path = tmp_path / "copy"
    shutil.copytree(repeated.path, path)
    (path / "seeds" / "2000" / "references.json").unlink()
    assert main(["pool", str(path), f"out={tmp_path / 'out'}"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert message.endswith(
        f"has not finished seed 2000; resume with: fastflow compare resume={path}"
    )


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ({}, [0]),
        ({"seeds": 3}, [0, 1000, 2000]),
        ({"seeds": 2, "seed": 7}, [7, 1007]),
        ({"seeds": 2, "samples": 900, "tuning": 101}, [0, 2000]),
        ({"seeds": [5, 500]}, [5, 500]),
    ],
)
def test_seeds_are_a_number_or_a_list(given, seeds):
    assert ComparisonSettings(**given).every_seed() == seeds


@pytest.mark.parametrize("seeds", [0, -1, [], True, 1.5, "three", [0, "a"], None])
def test_other_seeds_are_refused(seeds):
    with pytest.raises(ValueError, match="`seeds` must be a number of repetitions, 1 or more"):
        ComparisonSettings(seeds=seeds)


@pytest.mark.parametrize("seeds", [[0, 87], [100, 50], [3, 3]])
def test_seeds_that_would_share_noise_are_refused(seeds):
    a, b = sorted(seeds)
    message = f"`seeds` must be 88 .`samples` . `tuning`. or more apart, got {a} and {b}"
    with pytest.raises(ValueError, match=message):
        ComparisonSettings(seeds=seeds)
    assert ComparisonSettings(seeds=[0, 88]).every_seed() == [0, 88]
