"""Which minis there are, and the shipped weights."""

import warnings

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from fastflow_minis import MINIS, folder, zoo
from fastflow_minis.evaluate import generate_answers
from fastflow_minis.models.bagel.bagel_evaluation import BagelEditEvaluation, BagelSceneEvaluation
from fastflow_minis.models.flux.flux_components import flux_scheduler
from fastflow_minis.worlds.edits.edit_evaluation import EditEvaluation
from fastflow_minis.worlds.edits.edit_world import held_out_edits
from fastflow_minis.worlds.evaluation import score_answers
from fastflow_minis.worlds.scenes.scene_evaluation import SceneEvaluation
from fastflow_minis.worlds.scenes.scene_world import held_out_captions
from fastflow_minis.worlds.videos.video_evaluation import VideoEvaluation

PARTS = {
    "transformer": FluxTransformer2DModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": T5EncoderModel,
    "tokenizer": CLIPTokenizer,
    "tokenizer_2": T5Tokenizer,
}


@pytest.fixture(scope="module")
def pipe():
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("HF_HUB_OFFLINE", "1")
        return SceneEvaluation().load(folder("flux_mini"), "cpu")


def test_the_shipped_folder_is_a_flux_pipeline_of_the_usual_parts(pipe):
    assert {name: type(getattr(pipe, name)) for name in PARTS} == PARTS
    expected = {k: v for k, v in flux_scheduler().config.items() if not k.startswith("_")}
    assert expected.items() <= dict(pipe.scheduler.config).items()


def test_the_shipped_folder_loads_in_single_precision(pipe):
    parts = (pipe.transformer, pipe.vae, pipe.text_encoder, pipe.text_encoder_2)
    assert [part.dtype for part in parts] == [torch.float32] * 4


@pytest.mark.parametrize("name", [name for name in MINIS if (zoo._SHIPPED / name).exists()])
def test_shipped_weights_are_small(name):
    size = sum(file.stat().st_size for file in folder(name).rglob("*") if file.is_file())
    assert size <= 15e6


def test_the_sequence_length_is_the_recipes(pipe):
    assert pipe.tokenizer_2.model_max_length == MINIS["flux_mini"].tokens
    assert pipe.tokenizer.model_max_length == MINIS["flux_mini"].tokens


def test_images_do_not_depend_on_the_batch(pipe):
    prompts = held_out_captions(3)
    together = generate_answers(SceneEvaluation(), pipe, prompts, steps=2, batch=3)
    alone = generate_answers(SceneEvaluation(), pipe, prompts, steps=2, batch=1)
    assert together.shape == (3, 64, 64, 3)
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_the_shipped_model_draws_much_of_what_it_is_asked_for(pipe):
    prompts = held_out_captions(24)
    images = generate_answers(
        SceneEvaluation(), pipe, prompts, steps=15, true_cfg_scale=2.0, batch=24
    )
    scores = score_answers(SceneEvaluation(), list(images), prompts)
    assert scores["overall"].rate >= 0.4


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"`name` must be one of flux_mini, .*, got 'fluks'"):
        folder("fluks")


def test_missing_weights_name_the_folder_and_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "_SHIPPED", tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        folder("flux_mini")
    assert str(error.value) == (
        f"The weights of 'flux_mini' are not in {tmp_path / 'flux_mini'}: install the project "
        "from its repository or train them with `fastflow train-mini flux_mini`."
    )


@pytest.mark.parametrize(
    ("name", "evaluation", "scale"),
    [("kontext_mini", EditEvaluation(), 1.0), ("bagel_mini", BagelEditEvaluation(), 2.0)],
)
def test_the_shipped_editors_do_much_of_what_they_are_told(name, evaluation, scale):
    editor, asked = evaluation.load(folder(name), "cpu"), held_out_edits(12)
    images = generate_answers(evaluation, editor, asked, steps=10, true_cfg_scale=scale, batch=12)
    assert score_answers(evaluation, list(images), asked)["overall"].rate >= 0.5


def test_the_editor_that_draws_too_draws_much_of_what_it_is_asked_for():
    evaluation, prompts = BagelSceneEvaluation(), held_out_captions(12)
    model = evaluation.load(folder("bagel_mini"), "cpu")
    images = generate_answers(evaluation, model, prompts, steps=15, true_cfg_scale=2.0, batch=12)
    assert score_answers(evaluation, list(images), prompts)["overall"].rate >= 0.7


def test_the_shipped_model_films_much_of_what_it_is_asked_for():
    evaluation = VideoEvaluation()
    asked = evaluation.questions(8)
    videos = generate_answers(
        evaluation, evaluation.load(folder("hunyuan_video_mini"), "cpu"), asked, 15, 2.0, batch=8
    )
    assert videos.shape == (8, 9, 64, 64, 3)
    assert score_answers(evaluation, list(videos), asked)["overall"].rate >= 0.6
