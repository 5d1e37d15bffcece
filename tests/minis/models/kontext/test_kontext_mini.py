"""The mini that edits: made from the one that draws, trained with source images."""

import dataclasses

import numpy as np
import pytest
import torch
from diffusers import FluxKontextPipeline, FluxPipeline
from PIL import Image

from fastflow_minis import MINIS, export_mini, folder, train
from fastflow_minis.evaluate import generate_answers
from fastflow_minis.models.flux.flux_components import flux_pipeline
from fastflow_minis.models.flux.flux_mini import FluxLoss, FluxMini, FluxTokens, flux_velocity
from fastflow_minis.models.kontext.kontext_mini import adopt_weights, edit_example
from fastflow_minis.training.flow_matching import FlowMatching
from fastflow_minis.worlds.drawing import render_scene
from fastflow_minis.worlds.edits.edit_evaluation import EditEvaluation
from fastflow_minis.worlds.edits.edit_language import parse_instruction, words_of_edits
from fastflow_minis.worlds.edits.edit_world import held_out_edits
from fastflow_minis.worlds.evaluation import MeanScore, score_answers

QUICK = {
    "examples": 12,
    "steps": 4,
    "batch": 4,
    "warmup": 2,
    "heads": 1,
    "double_blocks": 1,
    "single_blocks": 1,
}
CALL = {"height": 64, "width": 64, "max_area": 64 * 64, "_auto_resize": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    train("kontext_mini", out, **QUICK)
    return out


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Returns the mini at full size, before any training."""
    return MINIS["kontext_mini"].build(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def start():
    return FluxPipeline.from_pretrained(folder("flux_mini"))


def test_a_quick_recipe_trains_to_a_pipeline_that_edits(run):
    pipe = EditEvaluation().load(run / "pipeline", "cpu")
    assert type(pipe) is FluxKontextPipeline
    questions = held_out_edits(6)
    images = generate_answers(EditEvaluation(), pipe, questions, steps=2)
    assert images.shape == (6, 64, 64, 3)
    assert np.isfinite(images).all()
    alone = generate_answers(EditEvaluation(), pipe, questions[:1], steps=2)
    np.testing.assert_allclose(images[:1], alone, atol=1e-3)


def test_a_finished_run_can_be_prolonged(run):
    train("kontext_mini", run, resume=True, steps=6)
    assert torch.load(run / "checkpoint.pt")["step"] == 6
    assert len(torch.load(run / "dataset.pt")["captions"]) == QUICK["examples"]


def test_a_run_keeps_the_autoencoder_that_its_examples_are_encoded_with(run, start):
    pipe = FluxKontextPipeline.from_pretrained(export_mini(run, run / "again"))
    for name, value in start.vae.state_dict().items():
        assert torch.equal(value, pipe.vae.state_dict()[name]), name
    assert pipe.vae.config.scaling_factor == start.vae.config.scaling_factor


def test_before_training_it_sees_a_caption_and_noise_as_its_start_does(fresh, start):
    captions = ["a photo of a ring above a cross", "an image of three green squares"]
    x = torch.randn(2, 64, 16)
    sigma = torch.tensor([0.9, 0.3])
    with torch.no_grad():
        own, theirs = (
            flux_velocity(pipe, x, sigma, FluxTokens.of(pipe, captions, 14))
            for pipe in (fresh.pipe, start)
        )
    torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-5)


def test_parts_of_another_size_start_from_scratch(start):
    recipe = dataclasses.replace(MINIS["kontext_mini"], heads=2, text_width=48)
    pipe = flux_pipeline(FluxKontextPipeline, recipe, start.vae, words_of_edits())
    before = pipe.transformer.x_embedder.weight.clone()
    adopt_weights(pipe, start)
    assert torch.equal(pipe.transformer.x_embedder.weight, before)


def test_every_word_of_an_instruction_is_one_token(fresh):
    for tokenizer in (fresh.pipe.tokenizer, fresh.pipe.tokenizer_2):
        ids = [tokenizer(w, add_special_tokens=False).input_ids for w in words_of_edits()]
        assert all(len(one) == 1 for one in ids)
        assert len({one[0] for one in ids} - {tokenizer.unk_token_id}) == len(ids)
        longest = max(len(tokenizer(e.instruction.text).input_ids) for e in held_out_edits(120))
        assert longest <= MINIS["kontext_mini"].tokens


def test_training_calls_the_transformer_as_the_pipeline_does(fresh):
    pipe = fresh.pipe
    pipe.set_progress_bar_config(disable=True)
    calls = []
    hook = pipe.transformer.register_forward_hook(
        lambda module, args, kwargs, output: calls.append((kwargs, output[0])), with_kwargs=True
    )
    asked = held_out_edits(1)[0]
    image, text = Image.fromarray(render_scene(asked.source)), asked.instruction.text
    options = {"num_inference_steps": 2, "max_sequence_length": 14, "output_type": "latent"}
    pipe(image, text, **CALL, **options)
    hook.remove()
    for kwargs, expected in calls:
        x, source = kwargs["hidden_states"].split(64, dim=1)
        with torch.no_grad():
            v = flux_velocity(pipe, x, kwargs["timestep"], FluxTokens.of(pipe, [text], 14), source)
        assert torch.equal(v, expected[:, :64])


def test_an_example_is_the_image_after_with_the_image_before():
    rng = np.random.default_rng(0)
    examples = [edit_example(rng) for _ in range(20)]
    assert all(parse_instruction(one.caption).task == one.task for one in examples)
    assert not any(np.array_equal(one.image, one.source) for one in examples)


def test_training_lowers_the_loss(tmp_path):
    changes = {"examples": 8, "batch": 8, "steps": 30, "warmup": 3}
    recipe = dataclasses.replace(MINIS["kontext_mini"], **QUICK | changes)
    mini = recipe.build(tmp_path)
    assert isinstance(mini, FluxMini)
    matching = FlowMatching(mini.learners, mini.objective(tmp_path), recipe)
    assert isinstance(matching.objective, FluxLoss)
    losses = [matching.advance() for _ in range(30)]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:5])


def test_true_renders_score_one_and_sources_score_zero():
    questions = held_out_edits(12)
    scores = score_answers(
        EditEvaluation(), [render_scene(q.target) for q in questions], questions
    )
    assert scores["overall"] == scores["g_sc"] == scores["g_pq"] == MeanScore(12, 12)
    unedited = score_answers(
        EditEvaluation(), [render_scene(q.source) for q in questions], questions
    )
    assert unedited["overall"] == MeanScore(0, 12)


def test_a_start_that_does_not_exist_is_refused_and_leaves_nothing_behind(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(ValueError, match="`start`") as error:
        train("kontext_mini", out, start="nowhere")
    assert str(error.value) == (
        "`start` must be a folder that contains model_index.json, or a mini whose weights are "
        "installed, got 'nowhere'."
    )
    assert not out.exists()
