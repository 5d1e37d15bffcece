"""What a row counts as: at its target, interpolated, marked, and never the best if marked."""

import json
import math
from dataclasses import dataclass, replace

import pytest

from fastflow.comparison.checks import Repetition, evaluate
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.fairness.findings import Finding, above_oracles
from fastflow.comparison.fairness.forecast import Forecast, TunedMethod, tried
from fastflow.comparison.fairness.recorded_cost import beaten
from fastflow.comparison.page.exhibits import group_text, mark_text
from fastflow.comparison.page.pareto import _envelope, network_calls
from fastflow.comparison.page.total_cost import efficient
from fastflow.comparison.references import StoredReferences
from fastflow.comparison.rows import MethodRow, SecondKnob
from fastflow.comparison.tuning import Search, share_beyond
from fastflow.evaluation.measurement import SampleRow
from fastflow.evaluation.method import Bench, Knob, Learned
from fastflow.registry import preset
from fastflow.sampling import Recording, Request
from fastflow_plugins.methods import Oracle, Skipping
from fastflow_plugins.policies import UCB, Listed, Plan, Uniform

GROUPS = {"ours": ["plan", "ucb"], "static": ["even"], "oracle": ["oracle"]}
SETTINGS = ComparisonSettings(groups=GROUPS, targets=[10], steps=50, samples=4)


def samples(psnrs, calls=10.0):
    """Rows of samples whose mean number of calls is as given."""
    low, more = math.floor(calls), round((calls - math.floor(calls)) * len(psnrs))
    return [
        SampleRow(index=i, calls=low + (i < more), computed=(0,), metrics={"psnr_db": psnr})
        for i, psnr in enumerate(psnrs)
    ]


def row(method, psnrs, calls=10.0, **more):
    return MethodRow(method, 10, value=0.5, knob="x", samples=samples(psnrs, calls), **more)


def results(*rows):
    stored = StoredReferences(
        samples([99.0] * 4, 50), samples([90.0] * 4, 50), [], [], 1, [], 0, {}
    )
    return evaluate(SETTINGS, "m", [Repetition(stored, rows)])


@pytest.mark.parametrize(
    ("calls", "mark"),
    [
        (10.0, ""),
        (10.25, ""),
        (9.75, ""),
        (10.5, "missed its target: 10.5 steps instead of 10"),
        (9.5, "missed its target: 9.5 steps instead of 10"),
    ],
)
def test_a_row_is_at_its_target_within_a_quarter_of_a_step(calls, mark):
    (line,) = results(row("plan", [40.0] * 4, calls)).table
    assert (line.reached, line.marks) == (not mark, mark)
    assert mark_text(line) == ("missed" if mark else "")


@pytest.mark.parametrize("worse", [{"calls": 9.5}, {"calls": 10.5}, {"mark": "fell back"}])
def test_a_marked_row_is_never_the_best_of_ours(worse):
    marked = row("plan", [60.0] * 4, **worse)
    found = results(marked, row("ucb", [45.0] * 4), row("even", [40.0] * 4))
    assert [(one.ours, one.peer) for one in found.findings] == [("ucb", "even")]
    assert _envelope(found, network_calls, "fidelity")[:, 1].tolist() == [45.0]
    assert "plan" not in {line.method for line in efficient(found, 10)}
    assert any(text.startswith("plan at 10 is marked and not ranked") for text in found.remarks)
    assert not results(marked, row("even", [40.0] * 4)).findings


def test_a_rival_with_fewer_steps_than_the_target_still_counts_against_us():
    found = results(row("plan", [45.0] * 4), row("even", [50.0] * 4, 9.0))
    assert [(one.peer, one.difference[0]) for one in found.findings] == [("even", -5.0)]
    assert not results(row("plan", [45.0] * 4), row("even", [50.0] * 4, 11.0)).findings


def test_a_row_between_two_knobs_is_interpolated_and_says_so():
    second = SecondKnob(0.7, share_beyond(11, 9, 10), samples([30.0, 20.0, 40.0, 30.0], 9))
    (line,) = results(row("plan", [40.0, 50.0, 40.0, 40.0], 11, second=second)).table
    assert (line.steps, line.reached, line.marks) == (10.0, True, "")
    assert line.notes == "interpolated between x=0.5 and 0.7 (11.0 and 9.0 steps)"
    assert line.fidelity["psnr_db"][0] == pytest.approx((42.5 + 30.0) / 2)
    assert line.psnr_spread["flip_share"] == 0.125  # one of four of one of two
    assert line.psnr_spread["worst_db"] == 30.0
    assert mark_text(line) == "interpolated"


def test_a_row_with_two_knobs_survives_its_file():
    whole = row("plan", [40.0] * 4, second=SecondKnob(0.7, 0.25, samples([math.inf] * 4)))
    again = MethodRow.from_json(json.loads(json.dumps(whole.to_json())), "here")
    assert again == whole


@pytest.mark.parametrize(
    ("first", "second", "share"), [(12, 8, 0.5), (11, 7, 0.25), (11, 10.5, None), (9, 9, None)]
)
def test_the_share_of_the_second_knob_makes_the_mean_the_target(first, second, share):
    assert share_beyond(first, second, 10) == share


def test_a_second_knob_is_looked_for_on_the_other_side_of_the_target():
    search = Search(Knob("threshold", 0.0, 1.0), lambda value: 50 - 40 * value)
    value = search.find(20)
    for measured, side in ((21.0, -1), (18.5, 1)):
        other = search.beyond(value, measured, 20)
        shifted = search.tried[other] + measured - search.tried[value]
        assert 0 < side * (shifted - 20) < 1.5


def test_no_second_knob_is_found_where_the_knob_ends():
    search = Search(Knob("threshold", 0.0, 1.0), lambda value: 20 - 5 * value)
    assert search.beyond(search.find(10), 15.0, 10) is None


def test_a_whole_knob_takes_the_next_number():
    search = Search(Knob("interval", 1, 12, whole=True), lambda value: 50 / value)
    assert search.beyond(search.find(19), 50 / 3, 19) == 2


@pytest.mark.parametrize(("measured", "value"), [(18.4, 20), (20.3, 17), (17.2, 22)])
def test_a_knob_of_computed_steps_is_moved_by_what_it_missed(measured, value):
    search = Search(Knob("n", is_computed_steps=True), lambda value: 1 / 0)
    assert search.beyond(19, measured, 19) == value


def test_two_methods_are_told_apart_by_their_paired_difference():
    apart = Finding(10, "a", "b", (41, 38, 44), (40, 37, 43), (1.0, 0.5, 1.5))
    same = Finding(10, "a", "b", (44, 43, 45), (40, 39, 41), (4.0, -0.5, 8.5))
    assert apart.is_distinguishable  # although their intervals overlap
    assert not same.is_distinguishable  # although they do not


# --- oracles


def test_an_oracle_is_called_best_by_recorded_cost():
    assert group_text("oracle") == "oracle (best by recorded cost)"
    assert group_text("static") == "static"


def test_a_row_above_every_oracle_is_told_in_words_and_breaks_no_check():
    found = results(row("even", [50.0] * 4), row("oracle", [45.0] * 4))
    assert found.remarks[0].startswith(
        "At 10, even has a higher PSNR live (50.0 dB) than every oracle (the highest is oracle, "
        "45.0 dB): an oracle is best by the cost that the recorded velocities predict"
    )
    assert all(check.holds is not False for check in found.checks[:2])
    assert (
        above_oracles(results(row("even", [40.0] * 4), row("oracle", [45.0] * 4)).table, 10) == ""
    )


def costed(method, cost, least=None, **more):
    recorded = {"scheme": "s", "steps": 10, "gap": 4, "each": cost, "shared": cost, **more}
    recorded |= {"least": least, "longest": 8} if least else {}
    return row(method, [40.0] * 4, recorded=recorded)


def test_a_schedule_that_beats_the_oracle_of_its_scheme_fails_a_check():
    found = results(costed("even", 0.9), costed("oracle", 1.0, "shared"))
    check = next(check for check in found.checks if "oracle of its own scheme" in check.what)
    assert (check.holds, check.why) == (False, "but even (0.9) oracle (1)")


@pytest.mark.parametrize(
    "other", [{"scheme": "t"}, {"steps": 11}, {"gap": 9}], ids=["scheme", "steps", "gap"]
)
def test_only_schedules_that_the_oracle_could_have_chosen_are_compared_with_it(other):
    rows = [costed("even", 0.9, **other), costed("oracle", 1.0, "shared")]
    assert beaten(rows) == ([], 0)
    assert beaten([costed("even", 1.0), rows[1]]) == ([], 1)


def test_in_a_comparison_no_schedule_beats_its_oracle_in_recorded_cost(done):
    rows = [
        MethodRow.from_json(json.loads(path.read_text()), str(path))
        for path in (done.path / "rows").glob("*.json")
    ]
    found, checked = beaten(rows)
    assert not found
    assert checked >= 2  # uniform at both targets
    oracle = next(one for one in rows if one.method.startswith("oracle"))
    predicted = oracle.learned["facts"]["predicted_rms"]
    assert oracle.recorded["shared"] == pytest.approx(predicted)


# --- forecasts


@pytest.fixture(scope="module")
def bench():
    model = preset("model", "mixture").load()
    requests = [Request(i, "", seed=i, steps=20) for i in range(6)]
    return Bench(model, 20, Recording.make(model, requests, 6))


@dataclass(frozen=True, kw_only=True)
class Misled(Skipping):
    """Follows good steps on replayed trajectories, and bad ones live."""

    bad: tuple[int, ...] = (0, 1, 2, 3, 4, 19)

    def learn(self, bench, requests):
        return Learned("steps", 1, 20)

    def generate(self, bench, requests, learned):
        is_replay = hasattr(bench.model, "trajectories")
        steps = tuple(range(20)) if is_replay else self.bad
        policy = Listed(steps=steps)
        for sample in Skipping(policy=policy).generate(bench, requests, Learned()):
            yield replace(sample, computed=(0, 4, 8, 12, 16, 19))

    def fallback(self):
        return Skipping(policy=Uniform(computed_steps=6))


def test_a_plan_that_is_worse_live_than_predicted_and_than_even_spacing_is_replaced(bench):
    live = bench.tuning.requests[-3:]
    method = Misled()
    found = tried(method, bench, method.learn(bench, live), live)
    assert found.method == method.fallback()
    assert found.mark.startswith("fell back to Uniform (RMS ")
    assert "its live error on 3 tuning samples, RMS " in found.mark
    assert (found.learned.samples, found.learned.calls) == (1, 20)  # still paid for
    assert found.learned.facts["tuning_live_rms"] > 3 * found.learned.facts["predicted_rms"]


def test_a_plan_that_is_worse_than_predicted_but_better_than_even_spacing_stays(bench):
    live = bench.tuning.requests[-3:]
    method = Misled(bad=(0, 2, 4, *range(6, 20)))
    found = tried(method, bench, method.learn(bench, live), live)
    assert (found.method, found.mark) == (method, "")
    assert found.note.endswith("the fallback is no nearer, so it stays")


def test_a_plan_that_keeps_its_prediction_has_both_errors_and_no_word(bench):
    method = Skipping(policy=Plan(computed_steps=14))
    learned = method.learn(bench, bench.tuning.requests)
    found = tried(method, bench, learned, bench.tuning.requests[-3:])
    assert isinstance(found, TunedMethod)
    assert (found.method, found.mark, found.note) == (method, "", "")
    names = {"predicted_rms", "tuning_predicted_rms", "tuning_live_rms"}
    assert found.learned.facts.keys() == names


def test_what_learns_nothing_is_predicted_and_not_tried(bench):
    method = Skipping(policy=Uniform(computed_steps=8))
    found = tried(method, bench, Learned(), bench.tuning.requests[-3:])
    assert found.learned.facts.keys() == {"predicted_rms"}


@pytest.mark.parametrize(
    ("predicted", "live", "rounding", "is_off"),
    [(1.0, 2.9, 0, False), (1.0, 3.1, 0, True), (0.0, 1e-6, 1e-5, False), (1.0, None, 0, False)],
)
def test_three_times_the_prediction_is_off_unless_it_is_rounding(
    predicted, live, rounding, is_off
):
    assert Forecast(predicted, predicted, live, rounding).is_off is is_off


def test_the_fallback_of_a_plan_computes_as_many_steps(bench):
    method = Skipping(policy=Plan(computed_steps=7))
    assert method.fallback() == Skipping(policy=Uniform(computed_steps=7))
    assert Skipping(policy=Uniform()).fallback() is None
    assert Skipping(policy=UCB(computed_steps=7)).fallback() is None
    assert Oracle().fallback() is None


def test_fitted_weights_are_of_no_scheme_and_plain_ones_are(bench):
    plans = [Skipping(policy=Plan(computed_steps=7, weights=w)) for w in ("fitted", "scheme")]
    fitted, plain = (one.scheme(bench, one.learn(bench, bench.tuning.requests)) for one in plans)
    assert fitted is None
    assert plain == Oracle().scheme(bench, Learned())


def test_predicted_and_live_errors_stand_side_by_side_on_the_page(done):
    page = (done.path / "report.html").read_text()
    assert 'RMS, predicted</th><th scope="col" class="n">RMS, live</th>' in page
    for name, target in (("uniform", 6), ("plan", 12), ("oracle_linear_corrected", 6)):
        line = done.row(name, target)
        both = (
            f'<td class="n">{line["predicted_rms"]:.2g}</td><td class="n">{line["rms"]:.2g}</td>'
        )
        assert both in page or line["marks"]
    assert done.row("euler", 6)["predicted_rms"] is None
