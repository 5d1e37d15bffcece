"""`fastflow compare`: equal calls, one noise, what has to hold, and a page."""

import json
import os
import signal
from dataclasses import dataclass

import pytest

from fastflow.cli import main
from fastflow.comparison.job import ComparisonJob
from fastflow_plugins.methods.solver import Solver

SEARCHED = ("random_arms", "ucb")
METHODS = ("euler", "uniform", *SEARCHED, "plan", "oracle_linear_corrected", "negative_control")


def test_every_method_is_at_every_target(done):
    assert done.status == 0
    seen = [(line["method"], line["target"]) for line in done.found["table"]]
    assert seen == [(method, target) for target in (12, 6) for method in METHODS]
    assert not any(line["failure"] for line in done.found["table"])


@pytest.mark.parametrize("target", [12, 6])
@pytest.mark.parametrize(
    "method", ["euler", "uniform", "plan", "oracle_linear_corrected", "negative_control"]
)
def test_methods_whose_knob_is_the_calls_take_exactly_those(done, method, target):
    line = done.line(method, target)
    learning = method == "plan"
    assert line["steps"] == target
    assert line["reached"]
    assert (line["learned"]["samples"] > 0) == (learning or method.startswith("oracle"))


@pytest.mark.parametrize("method", SEARCHED)
def test_others_come_near_on_samples_that_the_search_has_not_seen(done, method):
    for target in (12, 6):
        line = done.line(method, target)
        assert line["steps"] == pytest.approx(target, abs=2)
        assert line["reached"] == (abs(line["steps"] - target) <= 1)
        assert line["knob"].startswith("policy.")


def test_counts_are_those_of_the_samples(done):
    for line in done.found["table"]:
        row = json.loads(
            (done.path / f"rows/{line['method']}-at-{line['target']}.json").read_text()
        )
        assert [sample["index"] for sample in row["samples"]] == list(range(5))
        calls = [sample["calls"] for sample in row["samples"]]
        assert line["calls"] == sum(calls) / 5
        assert calls == [len(sample["computed"]) for sample in row["samples"]]


def test_what_has_to_hold_holds(done):
    checks = {check["what"]: check["holds"] for check in done.found["checks"]}
    assert len(checks) == 3
    assert all(holds is True for holds in checks.values()), done.found["checks"]


def test_the_finding_names_the_best_of_ours_and_of_the_others(done):
    for finding in done.found["findings"]:
        assert finding["ours"] in ("ucb", "plan")
        assert finding["peer"] in ("euler", "uniform", "random_arms")
        mine, theirs = finding["psnr_ours"], finding["psnr_peer"]
        assert finding["difference"][0] == pytest.approx(mine[0] - theirs[0])
        assert finding["is_apart"] == (mine[1] > theirs[2])


def test_time_memory_and_the_converged_run_are_measured(done):
    for line in done.found["table"]:
        hindsight = line["group"] == "oracle"
        assert (line["speedup_wall"] is None) == hindsight
        assert line["peak"] > 0
        assert line["converged"]["psnr_db"][0] > 0
    assert done.found["reference"]["converged"]["psnr_db"][0] > 20


def test_the_table_says_the_same(done):
    rows = {(row["method"], row["target"]): row for row in done.table}
    assert len(rows) == 2 + 2 * len(METHODS)
    for line in done.found["table"]:
        row = rows[line["method"], str(line["target"])]
        assert float(row["fidelity.psnr_db"]) == line["fidelity"]["psnr_db"][0]
        assert float(row["fidelity.psnr_db.high"]) == line["fidelity"]["psnr_db"][2]


def test_the_page_opens_without_a_network(done):
    page = (done.path / "report.html").read_text()
    assert 'src="http' not in page
    assert page.count("<svg") == 3
    for method in METHODS:
        assert page.count(f"Steps computed by {method},") == (0 if method == "euler" else 2)
        assert page.count(f'alt="Example 1 of {method}"') == 2


def test_the_report_can_be_written_again(done, capsys):
    before = (done.path / "report.html").read_text()
    (done.path / "report.html").unlink()
    assert main(["report", str(done.path)]) == 0
    assert (done.path / "report.html").read_text().count("<svg") == before.count("<svg")


def test_an_interrupted_comparison_keeps_its_rows_and_goes_on(done, compare, monkeypatch):
    plain, made = ComparisonJob._row, []

    def interrupted(job, measure, name, target):
        if name == "ucb":
            raise KeyboardInterrupt
        made.append((name, target))
        return plain(job, measure, name, target)

    monkeypatch.setattr(ComparisonJob, "_row", interrupted)
    stopped = compare()
    assert stopped.status == 130
    assert f"go on with: fastflow compare resume={stopped.path}" in stopped.err
    assert main(["report", str(stopped.path)]) == 0  # with what there is
    assert any("11 of 14 rows are missing" in text for text in stopped.found["left_out"])
    monkeypatch.setattr(ComparisonJob, "_row", lambda *call: made.append(call[2:]) or plain(*call))
    resumed = compare(f"resume={stopped.path}")
    assert resumed.status == 0
    assert len(made) == len(set(made)) == 2 * len(METHODS)
    for method in METHODS:
        assert resumed.line(method, 6)["fidelity"] == done.line(method, 6)["fidelity"]


def test_several_processes_find_the_same(done, compare):
    shared = compare("workers=2")
    assert shared.status == 0
    for alone, other in zip(done.found["table"], shared.found["table"], strict=True):
        for exact in ("method", "target", "calls", "knob", "learned"):
            assert other[exact] == alone[exact]
        assert other["fidelity"]["psnr_db"] == pytest.approx(alone["fidelity"]["psnr_db"])
        assert (other["seconds"] is None) == (alone["seconds"] is None)


@dataclass(frozen=True, kw_only=True)
class Ended(Solver):
    """Ends its process, as the system does for want of memory."""

    def generate(self, bench, requests, learned):
        os.kill(os.getpid(), signal.SIGKILL)
        yield


def test_a_process_that_is_ended_loses_no_finished_row(compare, monkeypatch):
    from fastflow_plugins.methods import solver

    monkeypatch.setattr(solver.Solver, "generate", Ended.generate)
    quick = ("methods=[euler,uniform]", "targets=[6]", "pairs=0", "converged_steps=0")
    tried = compare(*quick, "workers=2")
    assert tried.status != 0
    assert "was ended from outside" in tried.err
    assert f"fastflow compare resume={tried.path}" in " ".join(tried.err.split())
    monkeypatch.undo()
    again = compare(f"resume={tried.path}")
    assert again.status == 0
    assert [line["method"] for line in again.found["table"]] == ["euler", "uniform"]


@dataclass(frozen=True, kw_only=True)
class Failing(Solver):
    """Fails."""

    def generate(self, bench, requests, learned):
        raise RuntimeError("out of luck")
        yield


def test_a_method_that_fails_is_said_to_and_the_others_go_on(compare, monkeypatch):
    from fastflow_plugins.methods import solver

    monkeypatch.setattr(solver.Solver, "generate", Failing.generate)
    tried = compare("methods=[euler,uniform]", "targets=[6]", "pairs=0", "converged_steps=0")
    assert tried.status == 0
    assert tried.line("euler", 6)["failure"] == "RuntimeError: out of luck"
    assert tried.line("uniform", 6)["steps"] == 6
    assert "euler: RuntimeError: out of luck" in tried.out
    monkeypatch.undo()
    again = compare(f"resume={tried.path}")
    assert again.line("euler", 6)["steps"] == 6


def test_a_model_without_blocks_has_rows_that_say_so(compare):
    tried = compare("methods=[first_block_cache]", "targets=[6]", "pairs=0", "converged_steps=0")
    assert tried.status == 0
    assert "no transformer" in tried.line("first_block_cache", 6)["failure"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["methods=[uniformm]"], "there is no method named 'uniformm'. Did you mean 'uniform'"),
        (["targets=[60]"], "`targets` must be from 2 to `steps` = 20, got 60."),
        (["targets=[]"], "`targets` is empty."),
        (["methods=[]"], "`methods` is empty."),
        (["samples=0"], "`samples` must be 1 or more, got 0."),
        (["pairs=-1"], "`pairs` must be 0 or more, got -1."),
        (["workers=0"], "`workers` must be 1 or more, got 0."),
        (["workers=2", "device=cuda"], "`workers` must be 1 on 'cuda', got 2: only on a CPU"),
        (["method.ucb.policy.gama=1"], "there is no setting `method.ucb.policy.gama`."),
        (["stepz=3"], "there is no setting `stepz`. Did you mean `steps`?"),
        (["prompts=nowhere.txt"], "`prompts` 'nowhere.txt' does not exist."),
        (["resume=nowhere"], "'nowhere' is not a comparison's directory: it has no rows."),
    ],
)
def test_bad_input_is_refused_before_anything_is_computed(compare, overrides, message):
    tried = compare(*overrides)
    assert tried.status == 2
    assert message in " ".join(tried.err.split())
    assert not tried.path.exists()


def test_nothing_is_overwritten(compare):
    first = compare("methods=[uniform]", "targets=[6]", "pairs=0", "converged_steps=0")
    again = compare("methods=[uniform]", "targets=[6]")
    assert (first.status, again.status) == (0, 2)
    assert "exists already, and nothing is overwritten" in again.err
