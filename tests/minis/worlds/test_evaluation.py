"""Scores, their intervals and their table."""

import math

import numpy as np
import pytest

from fastflow_minis.evaluate import EVALUATIONS, score_table
from fastflow_minis.worlds.drawing import render_scene
from fastflow_minis.worlds.evaluation import MeanScore, score_answers
from fastflow_minis.worlds.scenes.scene_evaluation import SceneEvaluation
from fastflow_minis.worlds.scenes.scene_language import SCENE_TASKS
from fastflow_minis.worlds.scenes.scene_world import held_out_captions, scene_of
from fastflow_minis.zoo import MINIS


def test_true_renders_score_one_and_empty_images_score_zero():
    prompts = held_out_captions(12)
    rng = np.random.default_rng(0)
    images = [render_scene(scene_of(prompt, rng)) for prompt in prompts]
    scores = score_answers(SceneEvaluation(), images, prompts)
    assert list(scores) == ["overall", *SCENE_TASKS]
    assert scores["overall"] == MeanScore(12, 12)
    assert score_answers(SceneEvaluation(), [np.zeros_like(i) for i in images], prompts)[
        "overall"
    ] == MeanScore(0, 12)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"), [(0, 10, 0.0, 0.278), (5, 10, 0.237, 0.763)]
)
def test_the_interval_is_wilsons(right, total, low, high):
    assert MeanScore(right, total).interval() == pytest.approx((low, high), abs=1e-3)


def test_a_score_of_no_images_says_nothing():
    assert math.isnan(MeanScore(0, 0).rate)
    assert MeanScore(0, 0).interval() == (0.0, 1.0)


def test_the_table_shows_counts_rates_and_intervals():
    text = score_table({"overall": MeanScore(5, 10), "colours": MeanScore(0, 0)})
    assert text == (
        "overall                   5/10   0.500  [0.237, 0.763]\n"
        "colours                   0/0    -"
    )


def test_every_mini_is_evaluated():
    assert EVALUATIONS.keys() == {*MINIS, "bagel_mini_edit"}
