"""The comparison's page opens with the middle one of its targets, whatever they are."""

import re

import pytest

from fastflow.comparison.checks import ComparisonResults
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.fairness.findings import Finding
from fastflow.comparison.page.exhibits import comparison_title, middle_target
from fastflow.comparison.rows import MethodRow
from fastflow.comparison.table import RowReader


@pytest.mark.parametrize(
    ("targets", "middle"),
    [([25, 19, 14, 10], 19), ([40], 40), ([8, 30, 16], 16), ([100, 80], 100), ([6, 12], 12)],
)
def test_the_middle_target_is_the_middle_one_or_the_larger_of_two(targets, middle):
    assert middle_target(targets) == middle


def title(targets, *found, low=0.1):
    """Returns the title of a comparison with findings at some of its targets."""
    zero = (0.0, 0.0, 0.0)
    findings = [Finding(t, "ucb", "teacache", zero, zero, (t / 10, low, 9.0)) for t in found]
    settings = ComparisonSettings(targets=targets, steps=100)
    row = RowReader(settings, 1.0, [{}]).read(MethodRow("reference", 100))
    results = ComparisonResults(settings, "mixture", 1.0, row, row, [], findings=findings)
    return comparison_title(results)


def test_the_title_has_the_finding_at_the_middle_target():
    assert title([60, 50, 40], 60, 50, 40) == (
        "At 50 of 100 steps, ucb is 5.0 dB closer to the reference run than teacache, the best "
        "other method"
    )


def test_the_title_admits_that_two_methods_are_not_distinguishable():
    assert title([60, 50, 40], 60, 50, 40, low=-0.1) == (
        "At 50 of 100 steps, ucb and teacache, the best other method, are not distinguishable: "
        "the difference in PSNR to the reference run is +5.0 (\N{MINUS SIGN}0.1 to +9.0) dB"
    )


def test_the_title_has_the_nearest_finding_if_the_middle_target_has_none():
    assert title([60, 50, 20], 60, 20).startswith("At 60 of 100 steps, ")


def test_only_the_section_of_the_middle_target_is_unfolded(done):
    page = (done.path / "report.html").read_text()
    assert "<h1>At 12 of 20 steps, " in page
    opened = {
        target: section.count("<details open>")
        for target, section in re.findall(r'<h2 id="at-(\d+)">(.*?)</section>', page, re.DOTALL)
    }
    assert opened == {"12": 2, "6": 0}


@pytest.mark.parametrize(("method", "metric"), [("uniform", ""), ("negative_control", "fidelity")])
def test_a_comparison_without_anything_to_draw_has_a_report(compare, method, metric):
    quick = ["targets=[6]", "pairs=1", "converged_steps=0"]
    done = compare(*quick, f"methods=[{method}]", f"metrics=[{metric}]")
    assert done.status == 0
    assert "Means over the samples with" not in (done.path / "report.html").read_text()
