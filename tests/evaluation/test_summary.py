"""The summary of a run shows what its mean PSNR hides."""

import math

import pytest

from fastflow.evaluation.measurement import SampleRow
from fastflow.evaluation.summary import FLIP, add_learning, headline, psnr_spread, summarise

NAMES = {"model": "m", "policy": "p", "extrapolator": "e", "corrector": "c", "steps": 50}


def row(index, psnr, calls=20):
    return SampleRow(
        index=index,
        calls=calls,
        calls_full=50,
        computed=(0,),
        metrics={"psnr_db": psnr, "ssim": 1},
    )


def test_the_spread_has_the_median_the_tenth_percentile_the_worst_and_the_flips():
    psnrs = [20.0, FLIP, 32.0, 34.0, 36.0, 38.0, 40.0, 42.0, 44.0, 46.0, 48.0]
    assert psnr_spread(psnrs) == {
        "psnr_median_db": 38.0,
        "psnr_p10_db": FLIP,
        "psnr_worst_db": 20.0,
        "flips": 1,
    }


def test_identical_outputs_count_as_99_db():
    assert psnr_spread([math.inf])["psnr_worst_db"] == 99.0
    assert psnr_spread([math.inf, 41.0, math.inf])["psnr_median_db"] == 99.0


def test_samples_that_skipped_something_have_a_spread_of_their_own():
    summary = summarise([row(0, math.inf, calls=50), row(1, 40.0), row(2, 20.0)])
    assert summary["psnr_db"] == 30.0  # of the two that are not identical, as ever
    assert (summary["psnr_median_db"], summary["psnr_median_db_with_skips"]) == (40.0, 30.0)
    assert (summary["flips"], summary["flips_with_skips"]) == (1, 1)
    assert summary["samples_with_skips"] == 2


def test_a_run_that_never_skips_has_no_spread_of_skipped_samples():
    summary = summarise([row(0, math.inf, calls=50)])
    assert summary["samples_with_skips"] == 0
    assert "psnr_median_db_with_skips" not in summary
    assert "psnr_db" not in summary
    assert summary["psnr_worst_db"] == 99.0


def test_without_reference_runs_there_is_no_spread():
    summary = summarise([SampleRow(index=0, calls=20, computed=(0,))])
    assert not any("psnr" in name or "flips" in name for name in summary)
    assert "samples_with_skips" not in summary


def test_the_calls_of_learning_are_stated_if_there_were_any():
    summary = summarise([row(0, 40.0)])
    add_learning(summary, 0)
    assert "learning_calls" not in summary
    add_learning(summary, 125)
    assert summary["learning_calls"] == 125
    assert summary["learning_runs"] == 2.5
    assert "learning  125 network calls besides the samples'" in headline(summary | NAMES)


@pytest.mark.parametrize(("low", "words"), [(20.0, "1 flip (below"), (35.0, "0 flips (below")])
def test_the_headline_has_the_median_and_the_flips(low, words):
    text = headline(summarise([row(0, 40.0), row(1, 42.0), row(2, low)]) | NAMES)
    assert f"median 40.0 dB, worst {low:.1f} dB, {words} 30 dB)" in text
