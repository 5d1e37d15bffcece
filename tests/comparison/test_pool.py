"""`fastflow pool`: comparisons with different seeds in one table."""

import csv
import json
import shutil
from statistics import mean, stdev

import pytest

from fastflow.cli import main

QUICK = ("methods=[euler,uniform,plan]", "targets=[6]", "pairs=0", "converged_steps=0")


@pytest.fixture(scope="module")
def seeds(compare_into, tmp_path_factory):
    """Two comparisons that differ in their seeds."""
    folder = tmp_path_factory.mktemp("seeds")
    return [compare_into(folder / str(s), *QUICK, f"seed={s}", "examples=0") for s in (100, 200)]


@pytest.fixture(scope="module")
def pooled(seeds, tmp_path_factory):
    """The directory with their table."""
    out = tmp_path_factory.mktemp("pooled") / "out"
    assert main(["pool", *(str(one.path) for one in seeds), f"out={out}"]) == 0
    return out


def test_a_row_has_the_mean_over_seeds_and_their_spread(seeds, pooled):
    found = json.loads((pooled / "pooled.json").read_text())
    assert found["seeds"] == [100, 200]
    assert found["notes"] == []
    for row in found["table"]:
        own = [one.row(row["method"], 6)["fidelity"]["psnr_db"][0] for one in seeds]
        assert list(row["psnr_of_seeds"].values()) == pytest.approx(own)
        assert row["psnr"][0] == pytest.approx(mean(own))
        assert row["psnr"][1] < row["psnr"][0] < row["psnr"][2]
        assert row["between_seeds"] == pytest.approx(stdev(own))
        worst = min(one.row(row["method"], 6)["psnr_spread"]["worst_db"] for one in seeds)
        assert row["psnr_spread"]["worst_db"] == worst


def test_a_row_is_compared_with_the_best_of_the_other_groups(pooled):
    rows = {r["method"]: r for r in json.loads((pooled / "pooled.json").read_text())["table"]}
    assert rows["plan"]["peer"] in ("euler", "uniform")
    assert rows["euler"]["peer"] in ("plan", "uniform")
    for row in rows.values():
        difference = row["psnr"][0] - rows[row["peer"]]["psnr"][0]
        assert row["difference"][0] == pytest.approx(difference)
        low, high = row["difference"][1:]
        assert row["is_distinguishable"] == (low > 0 or high < 0)


def test_the_other_files_have_the_same_numbers(pooled):
    found = json.loads((pooled / "pooled.json").read_text())["table"]
    with (pooled / "pooled.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["psnr"]) for line in lines] == [row["psnr"][0] for row in found]
    assert [float(line["psnr_spread.p10_db"]) for line in lines] == [
        row["psnr_spread"]["p10_db"] for row in found
    ]
    text = (pooled / "table.md").read_text()
    assert "## 6 of 20 steps" in text
    for row in found:
        mark = " (marked)" if row["marks"] else ""
        assert f"| `{row['method']}` | {row['group']} | 6.0{mark} | {row['psnr'][0]:.1f} (" in text


def copied(one, path, change=lambda config: config):
    """Copies a comparison, with its configuration changed."""
    shutil.copytree(one.path, path)
    config = path / "config.yaml"
    config.write_text(change(config.read_text()))
    return path


def refusal(capsys, *words):
    assert main(["pool", *map(str, words)]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_another_setting_than_the_seed_is_refused(seeds, tmp_path, capsys):
    other = copied(seeds[1], tmp_path / "o", lambda text: text.replace("modes: 4", "modes: 5"))
    message = refusal(capsys, seeds[0].path, other, f"out={tmp_path / 'out'}")
    assert message == (
        f"fastflow pool: '{seeds[0].path}' and '{other}' cannot be pooled: they differ in "
        "`model.modes` 4 and 5. Only the seed may differ; run the comparison again with a seed of "
        "its own."
    )


def test_another_model_is_refused(seeds, tmp_path, capsys):
    change = ("model: mixture", "model: flux_mini")
    other = copied(seeds[1], tmp_path / "o", lambda text: text.replace(*change))
    message = refusal(capsys, seeds[0].path, other, f"out={tmp_path / 'out'}")
    assert "they differ in `names.model` 'mixture' and 'flux_mini'" in message
    assert not (tmp_path / "out").exists()


def test_the_same_seed_twice_is_refused(seeds, tmp_path, capsys):
    message = refusal(capsys, seeds[0].path, seeds[0].path, f"out={tmp_path / 'out'}")
    assert "`seed` 100 occurs twice" in message


@pytest.mark.parametrize("name", ["notes.txt", "table.md", "pooled.json"])
def test_nothing_is_overwritten(seeds, pooled, tmp_path, capsys, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("my own")
    message = refusal(capsys, *(one.path for one in seeds), f"out={tmp_path / 'out'}")
    assert "exists already, and nothing is overwritten. Choose another name." in message
    assert [path.read_text() for path in (tmp_path / "out").iterdir()] == ["my own"]


def test_a_file_for_a_folder_is_refused(seeds, tmp_path, capsys):
    file = tmp_path / "pooled.csv"
    file.write_text("my own")
    message = refusal(capsys, *(one.path for one in seeds), f"out={file}")
    assert "exists already" in message
    assert file.read_text() == "my own"


def test_what_a_killed_command_left_is_completed(seeds, pooled, tmp_path):
    whole = {path.name: path.read_bytes() for path in pooled.iterdir()}
    out = shutil.copytree(pooled, tmp_path / "out")
    (out / "table.md").unlink()
    (out / ".17-0a1b2c3d.part").write_text("| half")
    assert main(["pool", *(str(one.path) for one in seeds), f"out={out}"]) == 0
    assert {name: (out / name).read_bytes() for name in whole} == whole


@pytest.mark.parametrize("words", [[], ["a"], ["out=b"], ["a", "b"]])
def test_directories_and_a_folder_are_needed(words, capsys):
    assert "usage: fastflow pool DIR ... out=FOLDER" in refusal(capsys, *words)


def test_a_single_seed_is_refused(seeds, tmp_path, capsys):
    message = refusal(capsys, seeds[0].path, f"out={tmp_path / 'out'}")
    assert message == "fastflow pool: comparisons of 2 or more seeds are needed, got 1."


def test_what_is_no_comparison_is_refused(seeds, tmp_path, capsys):
    message = refusal(capsys, seeds[0].path, tmp_path, f"out={tmp_path / 'out'}")
    assert message.endswith(f"'{tmp_path}' is not a comparison's directory: it has no rows.")


def test_seeds_that_share_noise_and_missing_rows_are_noted(seeds, tmp_path):
    close = copied(seeds[1], tmp_path / "c", lambda text: text.replace("seed: 200", "seed: 101"))
    (close / "rows" / "plan-at-6.json").unlink()
    out = tmp_path / "out"
    assert main(["pool", str(seeds[0].path), str(close), f"out={out}"]) == 0
    found = json.loads((out / "pooled.json").read_text())
    shared, missing = found["notes"]
    assert "seeds closer than 15 (`samples` + `tuning`) share noise" in shared
    assert missing.startswith("1 of 3 rows are missing or failed")
    assert {row["method"] for row in found["table"]} == {"euler", "uniform"}
    assert shared in (out / "table.md").read_text()
