"""What is not a run is refused with what to do; an incomplete run is read with notes."""

import json

import pytest

from fastflow.report import write_report
from fastflow.report.load import load_run


def message(path) -> str:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        write_report(path)
    return str(raised.value)


def test_a_folder_that_is_not_a_run_is_refused_with_what_it_lacks(tmp_path):
    assert message(tmp_path) == (
        f"`run_dir` '{tmp_path}' is not a run directory: it has no config.yaml and no "
        "samples.jsonl. Give the directory that `fastflow sample` printed, or make one with it."
    )


def test_a_path_that_is_not_a_folder_is_refused(tmp_path):
    advice = "Give the directory that `fastflow sample` printed."
    gone, file = tmp_path / "gone", tmp_path / "file"
    file.touch()
    assert message(gone) == f"`run_dir` '{gone}' does not exist. {advice}"
    assert message(file) == f"`run_dir` '{file}' is a file. {advice}"


def test_a_truncated_last_line_is_left_out_and_noted(make_run):
    run = make_run(samples=6)
    for name in ("samples.jsonl", "records.jsonl"):
        text = (run / name).read_text()
        (run / name).write_text(text + text.splitlines()[-1][:50])
    loaded = load_run(run)
    assert len(loaded.entries) == 6
    note = "The last line of samples.jsonl is truncated and was left out."
    assert note in loaded.notes
    assert note in write_report(run).read_text(encoding="utf-8")


def test_a_damaged_line_before_the_last_is_refused_with_its_number(make_run):
    run = make_run(samples=3)
    lines = (run / "samples.jsonl").read_text().splitlines()
    (run / "samples.jsonl").write_text("\n".join([lines[0], lines[1][:40], lines[2]]))
    assert message(run).startswith(f"{run / 'samples.jsonl'}, line 2, is not JSON: ")


def test_a_line_without_calls_is_refused(make_run):
    run = make_run(samples=1)
    (run / "samples.jsonl").write_text('{"index": 0, "computed": [0]}\n')
    where = f"{run / 'samples.jsonl'}, line 1,"
    assert message(run) == f"{where} has no `calls`: it was written by something else."


def test_the_report_of_an_unfinished_run_has_the_numbers_of_its_samples(make_run):
    run = make_run(samples=8)
    written = json.loads((run / "summary.json").read_text())
    for name in ("summary.json", "versions.json", "memory.json", "records.jsonl"):
        (run / name).unlink()
    loaded = load_run(run)
    assert loaded.number("speedup_calls") == written["speedup_calls"]
    assert "versions.json is missing." in loaded.notes
    assert "the run is unfinished" in write_report(run).read_text(encoding="utf-8")


def test_a_summary_of_fewer_samples_is_not_used(make_run):
    run = make_run(samples=8)
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"samples": 2, "speedup_calls": 99.0}))
    loaded = load_run(run)
    assert loaded.number("speedup_calls") == summary["speedup_calls"]
    assert any("has the numbers of 2 samples" in note for note in loaded.notes)


def test_a_run_without_samples_still_has_a_page(make_run):
    run = make_run(samples=2)
    (run / "samples.jsonl").write_text("")
    assert ">No samples yet</h1>" in write_report(run).read_text(encoding="utf-8")


def test_a_damaged_memory_is_left_out(make_run):
    run = make_run(samples=4)
    (run / "memory.json").write_text('{"arms": [0, 2], "reward": {"count": [[1]], "mean": 3}}')
    page = write_report(run).read_text(encoding="utf-8")
    assert "memory.json was left out. memory.json has no `samples`" in page
    (run / "memory.json").write_text('{"arms": [0')
    assert (
        "memory.json was left out. memory.json is not JSON: it is empty or cut off."
        in write_report(run).read_text("utf-8")
    )
