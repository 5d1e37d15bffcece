import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

FILES = ["runs.csv", "study.csv", "study.html", "study.json", "study.md", "study.tex"]
INLINE = ("model=mixture", "executor=inline", "metrics=[fidelity]", "steps=12")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A folder with runs of two policies and two seeds, and a comparison."""
    from fastflow.cli import main

    folder = tmp_path_factory.mktemp("real")
    for policy, more in (("ucb", []), ("uniform", ["policy.computed_steps=6"])):
        for seed in (0, 100):
            words = [
                f"policy={policy}",
                *more,
                f"seed={seed}",
                "samples=8",
                f"out={folder / policy}{seed}",
            ]
            assert main(["sample", *INLINE, *words]) == 0
    quick = ["targets=[6]", "samples=3", "tuning=4", "live=1", "pairs=1", "converged_steps=20"]
    words = ["model=mixture", "steps=12", "metrics=[fidelity]", "seeds=2", *quick]
    words += ["methods=[uniform,euler,oracle_linear_corrected]", f"out={folder / 'compared'}"]
    assert main(["compare", *words]) == 0
    return folder


def test_runs_and_comparisons_become_one_page_with_tables_and_figures(real, command, tmp_path):
    out = tmp_path / "out"
    done = command("study", real, f"out={out}")
    assert done.status == 0, done.err
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == FILES
    assert done.out.splitlines()[-3:] == [
        f"10 runs; {len(list((out / 'figures').glob('*.svg')))} figures",
        f"report    {out / 'study.html'}",
        str(out),
    ]
    page = (out / "study.html").read_text()
    assert "10 runs in 5 groups" in page
    assert page.count("<img src=") == len(list((out / "figures").glob("*.pdf")))
    assert "http" not in page.replace("http-equiv", "")
    assert "oracle_linear_corrected is marked and never in bold" in page


def test_the_means_of_a_run_are_those_of_its_own_summary(real):
    from fastflow.studies.reading.run_reader import read_run

    for path in real.glob("u*"):
        run, summary = read_run(path, "a"), json.loads((path / "summary.json").read_text())
        assert run.mean("calls") == pytest.approx(summary["calls_mean"])
        assert run.mean("psnr_db") == pytest.approx(summary["psnr_db"])


def test_the_means_of_a_comparison_are_those_of_its_own_table(real):
    from fastflow.studies.grouping.section import sections_of
    from fastflow.studies.reading.gather import gather

    (section,) = sections_of(gather([real / "compared"]).runs)
    table = json.loads((real / "compared" / "comparison.json").read_text())["table"]
    means = {row["method"]: row["fidelity"]["psnr_db"][0] for row in table}
    found = {g.first.settings["method"]: g.estimates["psnr_db"].mean for g in section.groups}
    assert found == pytest.approx(means)


def test_the_same_directories_give_the_same_files(real, command, tmp_path):
    for name in ("a", "b"):
        assert command("study", real, f"out={tmp_path / name}").status == 0
    for path in (p for p in (tmp_path / "a").rglob("*") if p.is_file()):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == other.read_bytes(), path.name


def test_a_study_is_written_again_and_other_folders_are_refused(real, command, tmp_path):
    out = tmp_path / "out"
    assert command("study", real, f"out={out}").status == 0
    (out / "figures" / "my-own.svg").write_text("<svg/>")
    assert command("study", real / "ucb0", f"out={out}").status == 0
    names = {path.name for path in (out / "figures").glob("*.svg")}
    assert "my-own.svg" in names
    assert "quality-calls-2.svg" not in names
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").touch()
    done = command("study", real, f"out={other}")
    assert done.status == 2
    assert done.err == (
        f"fastflow study: `out` {str(other)!r} exists already and is not a study: nothing is "
        "overwritten. Choose another name.\n"
    )


def test_nothing_is_written_through_a_link_in_a_foreign_study(real, command, tmp_path):
    out = tmp_path / "out"
    assert command("study", real / "ucb0", f"out={out}").status == 0
    for path in (out / "figures").iterdir():
        path.unlink()
    (out / "figures").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (out / "figures").symlink_to(tmp_path / "elsewhere")
    done = command("study", real / "ucb0", f"out={out}")
    assert done.status == 2
    assert "a symbolic link that leads out" in done.err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_was_left_out_is_named_on_the_page_and_escaped(real, command, tmp_path):
    broken = tmp_path / "<b>=x"
    broken.mkdir()
    (broken / "config.yaml").write_text("names: 1")
    (broken / "samples.jsonl").touch()
    out = tmp_path / "out"
    done = command("study", real / "ucb0", broken, f"out={out}")
    assert done.status == 0
    assert "1 runs; 1 left out, see the page; " in done.out
    page = (out / "study.html").read_text()
    assert "<b>&lt;b&gt;=x</b>: " in page
    assert "&lt;b&gt;" in (out / "study.md").read_text()


def test_a_new_folder_in_runs_is_the_default(real, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("study", "study-2"):
        done = command("study", real / "ucb0")
        assert done.out.splitlines()[-1] == f"runs/{name}"


def test_words_that_make_no_sense_are_refused(command, tmp_path):
    done = command("study")
    assert (done.status, done.err) == (
        2,
        "fastflow study: usage: fastflow study DIR ... [out=FOLDER] [wandb=GROUP]\n",
    )
    assert command("study", tmp_path / "nowhere").status == 2


def test_the_plotting_library_is_loaded_by_a_study_alone():
    code = "import sys, fastflow.cli, fastflow.studies; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "False\n"


def test_the_svg_files_on_disk_are_whole(real, command, tmp_path):
    assert command("study", real, f"out={tmp_path / 'out'}").status == 0
    for path in (tmp_path / "out" / "figures").glob("*.svg"):
        ElementTree.fromstring(path.read_bytes())


def test_a_study_is_mirrored_as_one_group_and_again_as_the_same_runs(real, command, tmp_path):
    pytest.importorskip("wandb")
    from wandb_files import offline_runs

    ids = []
    for _ in range(2):
        done = command("study", real / "ucb0", real / "ucb100", f"out={tmp_path}/s", "wandb=first")
        assert done.status == 0, done.err
        ids.append({one.run.display_name: one.run.run_id for one in offline_runs(tmp_path / "s")})
    assert ids[0] == ids[1]
    assert set(ids[0]) == {"ucb0", "ucb100"}
    one = offline_runs(tmp_path / "s")[0]
    assert (one.run.run_group, one.run.job_type) == ("first", "study")
    seed = 0 if one.run.display_name == "ucb0" else 100
    assert (one.config["policy"], one.config["policy.gamma"], one.config["seed"]) == (
        "ucb",
        0.03,
        seed,
    )
    summary = json.loads((real / one.run.display_name / "summary.json").read_text())
    assert one.summary["psnr_db"] == pytest.approx(summary["psnr_db"])
    assert one.summary["calls"] == pytest.approx(summary["calls_mean"])


def test_a_group_without_a_name_is_refused_before_anything_is_read(real, command, tmp_path):
    done = command("study", real, f"out={tmp_path}/s", "wandb=")
    assert done.status == 2
    assert "`wandb` is empty" in done.err
    assert not (tmp_path / "s").exists()
