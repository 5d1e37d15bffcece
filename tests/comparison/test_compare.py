"""`fastflow compare`: methods at equal network calls and noise, checks, and a page."""

import json
from dataclasses import dataclass

import pytest

from fastflow.cli import main
from fastflow.comparison.cells.row_work import RowWork
from fastflow_plugins.methods.solver import Solver

SEARCHED = ("random_arms", "ucb")
METHODS = ("euler", "uniform", *SEARCHED, "plan", "oracle_linear_corrected", "negative_control")


def test_every_method_is_at_every_target(done):
    assert done.status == 0
    seen = [(line["method"], line["target"]) for line in done.results["table"]]
    assert seen == [(method, target) for target in (12, 6) for method in METHODS]
    assert not any(line["failure"] for line in done.results["table"])


@pytest.mark.parametrize("target", [12, 6])
@pytest.mark.parametrize(
    "method", ["euler", "uniform", "plan", "oracle_linear_corrected", "negative_control"]
)
def test_methods_whose_knob_is_the_computed_steps_take_exactly_the_target(done, method, target):
    line = done.row(method, target)
    learning = method == "plan"
    assert line["steps"] == target
    assert line["reached"]
    assert (line["learned"]["samples"] > 0) == (learning or method.startswith("oracle"))


@pytest.mark.parametrize("method", SEARCHED)
def test_tuned_methods_come_close_to_the_target_on_other_samples(done, method):
    for target in (12, 6):
        line = done.row(method, target)
        assert line["steps"] == pytest.approx(target, abs=2)
        assert line["reached"] == (abs(line["steps"] - target) <= 0.25)
        assert ("missed its target" in line["marks"]) != line["reached"]
        assert line["knob"].startswith("policy.")


def test_calls_are_the_means_over_the_samples(done):
    for line in done.results["table"]:
        row = json.loads(
            (done.path / f"rows/{line['method']}-at-{line['target']}.json").read_text()
        )
        assert [sample["index"] for sample in row["samples"]] == list(range(5))
        calls = [sample["calls"] for sample in row["samples"]]
        share = row["second"]["share"] if row["second"] else 0.0
        other = row["second"]["samples"] if row["second"] else row["samples"]
        ends = sum(calls) / 5, sum(sample["calls"] for sample in other) / 5
        assert line["calls"] == pytest.approx((1 - share) * ends[0] + share * ends[1])
        assert calls == [len(sample["computed"]) for sample in row["samples"]]


def test_all_checks_hold(done):
    checks = {check["what"]: check["holds"] for check in done.results["checks"]}
    assert len(checks) == 4
    assert all(holds is True for holds in checks.values()), done.results["checks"]


def test_a_finding_has_our_best_method_and_the_best_other(done):
    for finding in done.results["findings"]:
        assert finding["ours"] in ("ucb", "plan")
        assert finding["peer"] in ("euler", "uniform", "random_arms")
        mine, theirs = finding["psnr_ours"], finding["psnr_peer"]
        assert finding["difference"][0] == pytest.approx(mine[0] - theirs[0])
        low, high = finding["difference"][1:]
        assert finding["is_distinguishable"] == (low > 0 or high < 0)


def test_time_memory_and_the_converged_run_are_measured(done):
    for line in done.results["table"]:
        is_oracle = line["group"] == "oracle"
        assert (line["speedup_wall"] is None) == is_oracle
        assert line["peak"] > 0
        assert line["converged"]["psnr_db"][0] > 0
    assert done.results["reference"]["converged"]["psnr_db"][0] > 20


def test_the_csv_file_has_the_same_numbers(done):
    rows = {(row["method"], row["target"]): row for row in done.table}
    assert len(rows) == 2 + 2 * len(METHODS)
    for line in done.results["table"]:
        row = rows[line["method"], str(line["target"])]
        assert float(row["fidelity.psnr_db"]) == line["fidelity"]["psnr_db"][0]
        assert float(row["fidelity.psnr_db.high"]) == line["fidelity"]["psnr_db"][2]


def test_the_median_and_the_low_end_are_those_of_the_samples(done):
    for line in done.results["table"]:
        path = done.path / f"rows/{line['method']}-at-{line['target']}.json"
        row = json.loads(path.read_text())
        if row["second"]:
            continue  # each number is interpolated
        values = [sample["metrics"]["psnr_db"] for sample in row["samples"]]
        psnrs = sorted(99.0 if value is None else value for value in values)  # None: identical
        spread = line["psnr_spread"]
        assert (spread["median_db"], spread["worst_db"]) == (psnrs[2], psnrs[0])
        assert psnrs[0] <= spread["p10_db"] <= psnrs[1]
        assert spread["flip_share"] == sum(psnr < 30 for psnr in psnrs) / 5
        assert 0 <= spread["near_best_share"] <= 1


def test_the_learning_cost_is_in_reference_runs(done):
    for line in done.results["table"]:
        assert line["learning_runs"] == line["learned"]["calls"] / 20
        for n, cost in line["total_cost"].items():
            own = line["learned"]["calls"] + int(n) * line["calls"]
            assert cost == pytest.approx(own / (int(n) * 20))
    assert done.row("plan", 6)["learning_runs"] > 0 == done.row("uniform", 6)["learning_runs"]


def test_the_page_states_which_psnr_it_is_and_what_learning_cost(done):
    page = " ".join((done.path / "report.html").read_text().split())
    assert "the mean over samples of the PSNR in dB of each decoded output" in page
    assert "<b>Flips</b>: samples below 30 dB." in page
    assert "not of latents, and it is averaged in dB" in page
    assert '<h2 id="total-cost">Quality over total cost</h2>' in page
    for outputs in ("10", "100", "1,000"):
        assert f">{outputs} outputs<" in page
        assert f'<th scope="row" class="n">{outputs}</th>' in page


def test_the_page_fetches_nothing(done):
    page = (done.path / "report.html").read_text()
    assert 'src="http' not in page
    assert page.count("<svg") == 4
    for method in METHODS:
        assert page.count(f"Steps computed by {method},") == (0 if method == "euler" else 2)
        assert page.count(f'alt="Example 1 of {method}"') == 2


def test_the_report_can_be_rewritten(done, capsys):
    before = (done.path / "report.html").read_text()
    (done.path / "report.html").unlink()
    assert main(["report", str(done.path)]) == 0
    assert (done.path / "report.html").read_text().count("<svg") == before.count("<svg")


def test_an_interrupted_comparison_keeps_its_rows_and_can_be_resumed(done, compare, monkeypatch):
    plain, made = RowWork.row, []

    def interrupted(job, name, target):
        if name == "ucb":
            raise KeyboardInterrupt
        made.append((name, target))
        return plain(job, name, target)

    monkeypatch.setattr(RowWork, "row", interrupted)
    stopped = compare()
    assert stopped.status == 130
    assert f"resume with: fastflow compare resume={stopped.path}" in stopped.err
    assert main(["report", str(stopped.path)]) == 0  # from the finished rows
    assert any("11 of 14 rows are missing" in text for text in stopped.results["left_out"])
    monkeypatch.setattr(RowWork, "row", lambda *call: made.append(call[1:]) or plain(*call))
    resumed = compare(f"resume={stopped.path}")
    assert resumed.status == 0
    assert len(made) == len(set(made)) == 2 * len(METHODS)
    for method in METHODS:
        assert resumed.row(method, 6)["fidelity"] == done.row(method, 6)["fidelity"]


@dataclass(frozen=True, kw_only=True)
class Failing(Solver):
    """Fails."""

    def generate(self, bench, requests, learned):
        raise RuntimeError("out of luck")
        yield


def test_a_method_that_fails_is_reported_and_the_others_continue(compare, monkeypatch):
    from fastflow_plugins.methods import solver

    monkeypatch.setattr(solver.Solver, "generate", Failing.generate)
    tried = compare("methods=[euler,uniform]", "targets=[6]", "pairs=0", "converged_steps=0")
    assert tried.status == 0
    assert tried.row("euler", 6)["failure"] == "RuntimeError: out of luck"
    assert tried.row("uniform", 6)["steps"] == 6
    assert "euler: RuntimeError: out of luck" in tried.out
    monkeypatch.undo()
    again = compare(f"resume={tried.path}")
    assert again.row("euler", 6)["steps"] == 6


def test_a_method_that_a_model_does_not_support_has_a_row_with_the_reason(compare):
    tried = compare("methods=[first_block_cache]", "targets=[6]", "pairs=0", "converged_steps=0")
    assert tried.status == 0
    assert "no transformer" in tried.row("first_block_cache", 6)["failure"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["methods=[uniformm]"], "there is no method named 'uniformm'. Did you mean 'uniform'"),
        (["targets=[60]"], "`targets` must be from 2 to `steps` = 20, got 60."),
        (["targets=[]"], "`targets` is empty."),
        (["methods=[]"], "`methods` is empty."),
        (["samples=0"], "`samples` must be 1 or more, got 0."),
        (["pairs=-1"], "`pairs` must be 0 or more, got -1."),
        (["workers=2"], "there is no setting `workers`."),
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
