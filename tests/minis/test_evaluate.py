"""Scores, their intervals and their table."""

import math

import numpy as np
import pytest

from fastflow_minis.captions import Captions
from fastflow_minis.evaluate import EXAMS, table
from fastflow_minis.exam import Score, score
from fastflow_minis.recipes import MINIS
from fastflow_minis.scenes import TASKS, held_out, render, scene_of


def test_true_renders_score_one_and_empty_images_score_zero():
    prompts = held_out(12)
    rng = np.random.default_rng(0)
    images = [render(scene_of(prompt, rng)) for prompt in prompts]
    scores = score(Captions(), images, prompts)
    assert list(scores) == ["overall", *TASKS]
    assert scores["overall"] == Score(12, 12)
    assert score(Captions(), [np.zeros_like(i) for i in images], prompts)["overall"] == Score(
        0, 12
    )


@pytest.mark.parametrize(
    ("right", "total", "low", "high"), [(0, 10, 0.0, 0.278), (5, 10, 0.237, 0.763)]
)
def test_the_interval_is_wilsons(right, total, low, high):
    assert Score(right, total).interval() == pytest.approx((low, high), abs=1e-3)


def test_a_score_of_no_images_says_nothing():
    assert math.isnan(Score(0, 0).rate)
    assert Score(0, 0).interval() == (0.0, 1.0)


def test_the_table_shows_counts_rates_and_intervals():
    text = table({"overall": Score(5, 10), "colours": Score(0, 0)})
    assert text == (
        "overall                   5/10   0.500  [0.237, 0.763]\n"
        "colours                   0/0    -"
    )


def test_every_mini_is_examined():
    assert EXAMS.keys() == {*MINIS, "bagel_mini_edit"}
