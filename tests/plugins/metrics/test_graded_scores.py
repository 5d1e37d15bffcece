"""The grades in the metrics of the minis, and in what a comparison makes of them."""

import numpy as np
import pytest
from PIL import Image

from fastflow import Request, Video
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.rows import MethodRow
from fastflow.comparison.table import RowReader
from fastflow.evaluation.measurement import Measurement
from fastflow.evaluation.summary import summarise
from fastflow.integration.feedback import Feedback
from fastflow.sampling.sample import Sample, Seconds
from fastflow_minis.worlds.drawing import Scene, SceneObject, render_scene
from fastflow_minis.worlds.videos.video_language import parse_motion
from fastflow_minis.worlds.videos.video_world import render_video, video_of
from fastflow_plugins.metrics import Edits, Fidelity, Scenes, Videos

GRADES = {"shape_overlap", "colour_distance", "edge_sharpness", "background_noise"}
RED = SceneObject("circle", "red", (16, 16), 24)
SOURCE = Image.fromarray(render_scene(Scene("white", (RED,))))
CAPTION = "a video of a red circle moving right slowly"


def _video():
    frames = render_video(video_of(parse_motion(CAPTION), np.random.default_rng(0)))
    return Video(tuple(map(Image.fromarray, frames)), fps=8.0)


CASES = {
    "scenes": (Scenes(), SOURCE, Request(0, "a photo of a red circle", 0), GRADES),
    "edits": (
        Edits(),
        SOURCE,
        Request(0, "make the red circle blue", 0, image=SOURCE),
        GRADES | {"unasked_change"},
    ),
    "videos": (Videos(), _video(), Request(0, CAPTION, 0), GRADES | {"path_deviation_px"}),
}


@pytest.mark.parametrize("world", CASES)
def test_a_metric_gives_its_score_and_the_grades(world):
    metric, output, request, grades = CASES[world]
    scores = metric.score(output, request)
    assert grades | {"score"} <= scores.keys()
    assert all(np.isfinite(value) for value in scores.values())


def test_an_image_of_another_size_has_a_score_but_no_grades():
    large = Image.fromarray(np.pad(np.asarray(SOURCE), ((0, 32), (0, 32), (0, 0)), mode="edge"))
    assert Scenes().score(large, Request(0, "a photo of a red circle", 0)) == {"score": 1.0}


@pytest.mark.parametrize("world", CASES)
def test_a_comparison_and_a_summary_take_the_grades_up_as_scores(world):
    metric, output, request, grades = CASES[world]
    sample = Sample(request, output, None, (0,), 1, Feedback(), {}, Seconds(), calls_full=1)
    row = Measurement((metric, Fidelity())).row(sample, sample)
    reader = RowReader(ComparisonSettings(), 1.0, [{0: row}])
    line = reader.read(MethodRow(method="euler", target=1, samples=[row]))
    assert grades | {"score"} <= line.scores.keys()
    assert grades | {"score"} <= line.score_change.keys()
    assert not grades & line.fidelity.keys()
    assert grades <= summarise([row])["intervals"].keys()


def test_a_row_that_failed_has_no_change_of_a_score_that_reference_runs_have():
    metric, output, request, _ = CASES["scenes"]
    sample = Sample(request, output, None, (0,), 1, Feedback(), {}, Seconds(), calls_full=1)
    row = Measurement((metric, Fidelity())).row(sample, sample)
    reader = RowReader(ComparisonSettings(), 1.0, [{0: row}])
    line = reader.read(MethodRow(method="teacache", target=1, failure="no probe"))
    assert line.score_change == line.scores == {}
