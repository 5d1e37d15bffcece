"""From a benchmark's prompts to a run, to its scorer's files, and from its scores to the run."""

import errno
import json
import shutil
from pathlib import Path

import pytest

from fastflow.cli import main

PROMPTS = Path(__file__).parents[2] / "data" / "benchmarks" / "evaluation_metadata.jsonl"
WORDS = ["model=mixture", "executor=inline", "policy=every", "metrics=[fidelity]", "steps=8"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Generates two samples of each of GenEval's prompts, once for all tests."""
    path = tmp_path_factory.mktemp("drawn") / "run"
    own = ["benchmark=geneval", "benchmark.repeats=2", f"prompts={PROMPTS}", f"out={path}"]
    assert main(["sample", *WORDS, *own]) == 0
    return path


@pytest.fixture
def run(drawn, tmp_path):
    """Returns a copy of the run directory that the test may change."""
    return shutil.copytree(drawn, tmp_path / "run")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def scored(out, side, wrong=()):
    """Writes results in the format of GenEval's scorer: all correct except those in ``wrong``."""
    rows = []
    for image in sorted((out / side).rglob("*.png"), reverse=True):
        place = image.relative_to(out / side).as_posix()
        (metadata,) = lines(image.parents[1] / "metadata.jsonl")
        row = {"filename": str(image), "tag": metadata["tag"], "prompt": metadata["prompt"]}
        row |= {"correct": place not in wrong, "reason": "", "metadata": json.dumps(metadata)}
        rows.append(row | {"details": "{}"})
    return write(out / f"{side}.jsonl", rows)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def out(run, command, tmp_path):
    """Returns the folder that a run was exported to."""
    assert command("export", run, f"out={tmp_path / 'out'}").status == 0
    return tmp_path / "out"


def test_every_prompt_has_as_many_samples_as_were_asked_for(drawn):
    rows = lines(drawn / "samples.jsonl")
    assert [(row["item"]["number"], row["repeat"]) for row in sorted(rows, key=index)] == [
        (0, 0),
        (1, 0),
        (2, 0),
        (0, 1),
        (1, 1),
        (2, 1),
    ]
    assert {row["seed"] for row in rows} == set(range(6))
    assert {row["task"] for row in rows} == {"single_object", "counting"}


def index(row):
    return row["index"]


def test_an_export_has_the_layout_that_the_scorer_reads(run, out):
    metadata = lines(PROMPTS)
    rows = {(row["item"]["number"], row["repeat"]): row for row in lines(run / "samples.jsonl")}
    for side, key in (("skipped", "image"), ("full", "image_full")):
        found = {p.relative_to(out / side).as_posix() for p in (out / side).rglob("*.*")}
        images = {f"{n:05d}/samples/{r:04d}.png": rows[n, r] for n in range(3) for r in range(2)}
        assert found == {*images, *(f"{n:05d}/metadata.jsonl" for n in range(3))}
        for place, row in images.items():
            assert (out / side / place).read_bytes() == (run / row[key]).read_bytes()
        for n in range(3):
            assert lines(out / side / f"{n:05d}/metadata.jsonl") == [metadata[n]]


def test_an_interrupted_export_is_finished_by_repeating_it(run, out, command):
    lost = out / "full/00001/samples/0001.png"
    kept = out / "full/00001/samples/0000.png"
    content, written = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    again = command("export", run, f"out={out}")
    assert again.out.split() == ["6", "samples", f"{out}/skipped", "6", "samples", f"{out}/full"]
    assert lost.read_bytes() == content
    assert kept.stat().st_mtime_ns == written


def test_an_export_overwrites_nothing(run, out, command):
    other = out / "skipped/00000/samples/0001.png"
    other.write_bytes(b"something else")
    refused = command("export", run, f"out={out}")
    assert refused.status == 2
    assert refused.err.splitlines()[-1] == (
        f"fastflow export: {other} exists already with another content, and nothing is "
        "overwritten. Choose another `out`."
    )
    assert other.read_bytes() == b"something else"


def test_a_full_disk_keeps_what_is_exported_and_the_message_has_the_command(
    run, command, tmp_path, monkeypatch
):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    stopped = command("export", run, f"out={tmp_path / 'out'}")
    assert stopped.status == 1
    assert stopped.err.strip().endswith(
        "could not be written. All that was finished is kept; make room, then repeat: "
        f"fastflow export {run} out={tmp_path / 'out'}"
    )


def test_imported_scores_are_paired_and_added_up_as_the_benchmark_does(run, out, command):
    wrong = ["00000/samples/0000.png", "00001/samples/0001.png"]
    skipped, full = scored(out, "skipped", wrong), scored(out, "full", wrong[:1])
    done = command("import-scores", run, f"skipped={skipped}", f"full={full}")
    assert done.status == 0
    assert [line.split()[:4] for line in done.out.splitlines()[1:4]] == [
        ["overall", "6", "0.8750", "0.6250"],  # the mean over tasks, not over images
        ["single_object", "4", "0.7500", "0.7500"],
        ["counting", "2", "1.0000", "0.5000"],
    ]
    summary = json.loads((run / "summary.json").read_text())
    overall, single, counting = summary["benchmark"]["rows"]
    assert overall["difference"] == [-0.25, -0.5, 0.0]
    assert single["difference"] == [0.0, 0.0, 0.0]
    assert counting["skipped"] == [0.5, 0.0, 1.0]
    assert summary["score_difference"] == pytest.approx(-1 / 6)
    assert summary["psnr_db"] > 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Official scores" in page
    assert "\N{MINUS SIGN}0.2500" in page
    assert page.count("\N{CHECK MARK} pass") == 9


def test_the_two_sides_can_be_imported_one_after_the_other(run, out, command):
    full = command("import-scores", run, f"full={scored(out, 'full')}")
    assert full.out.splitlines()[1].split() == ["overall", "6", "1.0000", "-", "-"]
    both = command("import-scores", run, f"skipped={scored(out, 'skipped')}")
    assert both.out.splitlines()[1].split()[:5] == ["overall", "6", "1.0000", "1.0000", "+0.0000"]


def test_earlier_scores_are_replaced_only_when_asked(run, out, command):
    file = scored(out, "skipped")
    assert command("import-scores", run, f"skipped={file}").status == 0
    kept = (run / "samples.jsonl").read_bytes()
    again = command("import-scores", run, f"skipped={file}")
    assert again.status == 2
    assert again.err == (
        "fastflow import-scores: the run has `score` of the skipped outputs already. Pass "
        "replace=true to replace it.\n"
    )
    assert (run / "samples.jsonl").read_bytes() == kept
    none = scored(
        out, "skipped", [f"{n:05d}/samples/{r:04d}.png" for n in range(3) for r in (0, 1)]
    )
    assert "0.0000" in command("import-scores", run, f"skipped={none}", "replace=true").out


def test_a_resumed_run_keeps_its_official_scores(run, out, command):
    command("import-scores", run, f"skipped={scored(out, 'skipped')}")
    before = json.loads((run / "summary.json").read_text())["benchmark"]
    assert command("sample", f"resume={run}").status == 0
    assert json.loads((run / "summary.json").read_text())["benchmark"] == before


def refusal(run, out, command, change, *more):
    """Returns the message about changed results; nothing may have been written."""
    file = scored(out, "skipped")
    write(file, change(lines(file)))
    kept = (run / "samples.jsonl").read_bytes()
    refused = command("import-scores", run, f"skipped={file}", *more)
    assert refused.status == 2
    assert (run / "samples.jsonl").read_bytes() == kept
    return refused.err.removeprefix(f"fastflow import-scores: `skipped` '{file}' ").strip()


def test_results_that_lack_samples_are_refused_unless_partial(run, out, command):
    assert refusal(run, out, command, lambda rows: rows[:4]) == (
        "lacks results of 2 of 6 samples: 00000/samples/0000.png (score); 00000/samples/0001.png "
        "(score). Score them too, or pass partial=true to do without."
    )
    file = out / "skipped.jsonl"
    done = command("import-scores", run, f"skipped={file}", "partial=true")
    assert done.out.splitlines()[1].split()[:2] == ["overall", "4"]


def test_results_of_another_run_are_refused(run, out, command):
    def renamed(rows):
        return [row | {"filename": row["filename"].replace("00002/", "00777/")} for row in rows]

    assert refusal(run, out, command, renamed) == (
        f"does not match the run: it names '{out}/skipped/00777/samples/0001.png', but the "
        "run has no '00777/samples/0001.png'. Give the results of this run's export."
    )
    other = refusal(run, out, command, lambda rows: [row | {"prompt": "a cat"} for row in rows])
    assert other == (
        "does not match the run: '00002/samples/0001.png' was scored against 'a cat', but "
        "its prompt in the run is 'a photo of a boat'."
    )


def test_results_of_the_other_side_are_refused(run, out, command):
    file = scored(out, "full")
    refused = command("import-scores", run, f"skipped={file}")
    assert refused.err == (
        f"fastflow import-scores: `skipped` '{file}' scores the full outputs: it names "
        f"'{out}/full/00002/samples/0001.png'. Pass it as full={file}\n"
    )


def test_two_results_of_one_sample_are_refused(run, out, command):
    assert refusal(run, out, command, lambda rows: rows + rows[-1:]) == (
        "has two results for `score` of '00000/samples/0000.png'. Give the files of one "
        "evaluation."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"filename": "a.png", "corr', "line 1, is not JSON: it is empty or cut off"),
        ("[1]", "line 1, must hold an object, got [1]."),
        (
            '{"file": "a.png"}',
            "line 1, is not a line of the results.jsonl that GenEval's evaluate_images.py wrote: "
            "it needs `filename` and `correct`, got file.",
        ),
        ("", "has no results."),
    ],
)
def test_damaged_results_and_other_formats_are_refused_and_the_line_is_named(
    run, command, text, message, tmp_path
):
    file = tmp_path / "results.jsonl"
    file.write_text(text)
    refused = command("import-scores", run, f"skipped={file}")
    assert refused.status == 2
    assert f"{str(file)!r}" in refused.err
    assert message in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export", "RUN"], "`out` is missing. Usage: fastflow export RUN_DIR out=FOLDER"),
        (["export", "out=a"], "usage: fastflow export RUN_DIR out=FOLDER"),
        (["export", "nowhere", "out=a"], "`run_dir` 'nowhere' does not exist. Give the directory"),
        (["export", "RUN", f"out={PROMPTS}"], f"`out` '{PROMPTS}' is a file. Give a folder."),
        (
            ["import-scores", "RUN"],
            "the scorer's files are missing. Usage: fastflow import-scores RUN_DIR",
        ),
        (["import-scores", "RUN", "ful=a"], "there is no setting `ful`. Usage: fastflow import"),
        (["import-scores", "RUN", "full=a"], "results 'a' does not exist. Give the results.jsonl"),
        (
            ["import-scores", "RUN", "full=a", "partial=yes"],
            "`partial` must be true or false, got 'yes'.",
        ),
    ],
)
def test_a_command_that_lacks_an_argument_names_it(command, drawn, words, message):
    refused = command(*(drawn if word == "RUN" else word for word in words))
    assert refused.status == 2
    assert message in refused.err


def test_a_run_without_a_benchmark_cannot_be_exported(sample, command, tmp_path):
    done = sample("steps=8", "policy=every", "samples=1")
    refused = command("export", done.path, f"out={tmp_path / 'out'}")
    assert refused.err == (
        f"fastflow export: `run_dir` '{done.path}' is not the run of a benchmark. Make one "
        "with: fastflow sample benchmark=NAME prompts=FILE\n"
    )


def test_an_unfinished_run_has_to_be_finished_first(run, command, tmp_path):
    (run / "summary.json").unlink()
    refused = command("export", run, f"out={tmp_path / 'out'}")
    assert f"is unfinished. Finish it with: fastflow sample resume={run}" in refused.err


def test_failed_samples_and_missing_references_are_left_out(run, command, tmp_path):
    rows = lines(run / "samples.jsonl")
    rows = [row | {"image_full": None, "metrics_full": None} for row in rows]
    rows[0] |= {"failure": "OutOfMemoryError", "image": None, "metrics": {}}
    write(run / "samples.jsonl", rows)
    out = tmp_path / "out"
    assert command("export", run, f"out={out}").out.split() == ["5", "samples", f"{out}/skipped"]
    file = scored(out, "skipped")
    assert command("import-scores", run, f"skipped={file}").status == 0
    refused = command("import-scores", run, f"full={file}")
    assert f"`full` '{file}' cannot belong to this run: it has no full outputs." in refused.err


def test_missing_images_are_named(run, command, tmp_path):
    (run / "images/0003_full.png").unlink()
    refused = command("export", run, f"out={tmp_path / 'out'}")
    path = run / "images/0003_full.png"
    assert f"{path} is missing: the run directory is incomplete." in refused.err
    assert not (tmp_path / "out").exists()


def test_official_scores_are_never_paired_with_scores_of_the_run(run, out, command):
    rows = lines(run / "samples.jsonl")
    own = {"metrics": {"score": 0.5}, "metrics_full": {"score": 0.5}}
    write(run / "samples.jsonl", [row | own for row in rows])
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"score_full": 0.5}))
    file = scored(out, "skipped")
    refused = command("import-scores", run, f"skipped={file}")
    assert "the run has `score` of the skipped outputs already. Pass replace=true" in refused.err
    done = command("import-scores", run, f"skipped={file}", "replace=true")
    assert done.out.splitlines()[1].split() == ["overall", "6", "-", "1.0000", "-"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["score"] == 1.0
    assert "score_full" not in summary
    assert summary["policy"] == "every"


def test_earlier_values_of_a_name_are_replaced_on_all_samples_at_once(run, out, command):
    file = scored(out, "skipped")
    command("import-scores", run, f"skipped={file}")
    write(file, lines(file)[:2])
    command("import-scores", run, f"skipped={file}", "replace=true", "partial=true")
    metrics = [row["metrics"] for row in lines(run / "samples.jsonl")]
    assert sum("score" in values for values in metrics) == 2
    assert all("psnr_db" in values for values in metrics)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["benchmark=genevall"], "no benchmark named 'genevall'. Did you mean 'geneval'?"),
        (["benchmark=geneval"], "`benchmark` needs `prompts`: the path of the benchmark's own"),
        (["benchmark=geneval", "prompt=a"], "`benchmark` needs `prompts`"),
        (["benchmark=geneval", "benchmark.repeats=0"], "`repeats` must be 1 or more, got 0."),
        (["benchmark=geneval", "prompts=no"], "`prompts` 'no' does not exist. Give GenEval's"),
    ],
)
def test_a_benchmark_that_cannot_begin_says_why(sample, words, message):
    done = sample(*words, defaults=("model=mixture", "executor=inline"))
    assert done.status == 2
    assert message in done.err
    assert not done.path.exists()
