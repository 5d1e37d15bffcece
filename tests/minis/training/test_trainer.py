"""Training, on recipes small enough for a test."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline

from fastflow_minis import MINIS, train
from fastflow_minis.models.flux.flux_components import flux_autoencoder, flux_pipeline
from fastflow_minis.models.flux.flux_mini import (
    FluxLoss,
    FluxMini,
    FluxTokens,
    flux_velocity,
    pack_latents,
    scene_example,
)
from fastflow_minis.training.dataset import EncodedDataset
from fastflow_minis.training.flow_matching import FlowMatching, rate_factor
from fastflow_minis.training.muon import orthogonalise
from fastflow_minis.training.trainer import CHECKPOINT
from fastflow_minis.worlds.scenes.scene_language import words_of_scenes

QUICK = {
    "examples": 64,
    "vae_steps": 3,
    "vae_batch": 4,
    "steps": 6,
    "batch": 8,
    "warmup": 2,
    "heads": 1,
    "double_blocks": 1,
    "single_blocks": 1,
    "text_width": 16,
}


def _matching(**overrides):
    recipe = dataclasses.replace(MINIS["flux_mini"], **QUICK | overrides)
    torch.manual_seed(0)
    pipe = flux_pipeline(FluxPipeline, recipe, flux_autoencoder(recipe), words_of_scenes())
    latents = torch.randn(recipe.examples, recipe.latent_channels, 16, 16)
    rng = np.random.default_rng(0)
    examples = [scene_example(rng) for _ in range(recipe.examples)]
    dataset = EncodedDataset(latents, [e.caption for e in examples], [e.task for e in examples])
    mini = FluxMini(pipe, recipe, scene_example)
    weight = {"two_objects": 3.0, "position": 3.0, "colour_attribution": 3.0}
    objective = FluxLoss(pipe, recipe, dataset, lambda task: weight.get(task, 1.0))
    return FlowMatching(mini.learners, objective, recipe)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    train("flux_mini", out, **QUICK)
    return out


@pytest.mark.filterwarnings("ignore")
def test_a_quick_recipe_trains_to_a_pipeline_that_generates(run):
    pipe = FluxPipeline.from_pretrained(run / "pipeline")
    pipe.set_progress_bar_config(disable=True)
    options = {"height": 64, "width": 64, "num_inference_steps": 2, "max_sequence_length": 14}
    images = pipe("a photo of a red ring", output_type="np", **options).images
    assert images.shape == (1, 64, 64, 3)
    assert np.isfinite(images).all()


def test_a_run_writes_its_recipe_and_its_losses(run):
    assert json.loads((run / "recipe.json").read_text())["steps"] == QUICK["steps"]
    assert (run / CHECKPOINT).exists()


def test_training_into_a_used_folder_asks_for_resume_or_another_folder(run):
    with pytest.raises(ValueError, match="pass `resume=True` to continue it") as error:
        train("flux_mini", run, **QUICK)
    assert str(error.value) == (
        f"`out` must be a new folder, got {str(run)!r}, which holds a run: "
        "pass `resume=True` to continue it, or name another folder."
    )


@pytest.mark.filterwarnings("ignore")
def test_a_finished_run_can_be_prolonged(run):
    train("flux_mini", run, resume=True, **QUICK | {"steps": 8})
    assert torch.load(run / CHECKPOINT)["step"] == 8
    assert (run / "pipeline-1" / "model_index.json").is_file()


def test_a_folder_with_something_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="must be a new folder") as error:
        train("flux_mini", tmp_path, **QUICK)
    assert str(error.value) == (
        f"`out` must be a new folder, got {str(tmp_path)!r}, which holds 'pipeline' and no run: "
        "name another folder."
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["pipeline", "thesis.tex"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_training_that_fails_at_once_leaves_the_folder_as_it_was(tmp_path, monkeypatch, exists):
    def refuse(*_):
        raise ValueError("no such device.")

    out = tmp_path / "out"
    if exists:
        out.mkdir()
    monkeypatch.setattr("fastflow_minis.training.trainer._train", refuse)
    with pytest.raises(ValueError, match="no such device"):
        train("flux_mini", out, **QUICK)
    assert out.exists() == exists
    assert not exists or list(out.iterdir()) == []


def test_an_interrupted_run_says_how_to_continue(tmp_path, monkeypatch):
    def interrupt(matching):
        raise KeyboardInterrupt

    monkeypatch.setattr(FlowMatching, "advance", interrupt)
    with pytest.raises(SystemExit) as error:
        train("flux_mini", tmp_path, **QUICK)
    assert str(error.value) == (
        f"Interrupted; {tmp_path} keeps the last checkpoint. Continue with "
        f"train('flux_mini', {str(tmp_path)!r}, resume=True)."
    )


def test_an_unknown_name_or_field_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`name` must be one of flux_mini, .*, got 'fluks'"):
        train("fluks", tmp_path)
    with pytest.raises(ValueError, match="`overrides` must be fields of FluxRecipe, got stepz"):
        train("flux_mini", tmp_path, stepz=3)


def test_a_run_of_another_mini_is_not_continued(run):
    with pytest.raises(ValueError, match="`out` must hold a run of kontext_mini") as error:
        train("kontext_mini", run, resume=True)
    assert str(error.value) == (
        f"`out` must hold a run of kontext_mini to continue, got {str(run)!r}, which holds one of "
        "flux_mini: name another folder, or train flux_mini."
    )


def test_a_folder_with_the_recipe_of_another_mini_is_refused(tmp_path):
    (tmp_path / "recipe.json").write_text('{"mini": "bagle", "steps": 3}')
    with pytest.raises(ValueError, match="must name one of flux_mini") as error:
        train("flux_mini", tmp_path, resume=True)
    assert str(error.value).endswith(" as its `mini`, got 'bagle'.")


@pytest.mark.parametrize("muon_rate", [None, 0.02])
def test_a_resumed_run_continues_bit_by_bit(muon_rate):
    whole = _matching(muon_rate=muon_rate)
    losses = [whole.advance() for _ in range(6)]
    first = _matching(muon_rate=muon_rate)
    assert [first.advance() for _ in range(3)] == losses[:3]
    second = _matching(muon_rate=muon_rate)
    second.load_state_dict(first.state_dict())
    assert [second.advance() for _ in range(3)] == losses[3:]
    for name, value in whole.average.items():
        assert torch.equal(value, second.average[name]), name


def test_training_lowers_the_loss():
    matching = _matching(steps=60, warmup=5, examples=8, heads=2)
    losses = [matching.advance() for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.97 * np.mean(losses[:5])


def test_training_calls_the_transformer_as_the_pipeline_does():
    pipe = _matching().objective.pipe
    pipe.set_progress_bar_config(disable=True)
    calls = []
    hook = pipe.transformer.register_forward_hook(
        lambda module, args, kwargs, output: calls.append((kwargs, output[0])), with_kwargs=True
    )
    prompt = "a photo of a ring above a cross"
    options = {"height": 64, "width": 64, "num_inference_steps": 2, "max_sequence_length": 14}
    pipe(prompt, output_type="latent", **options)
    hook.remove()
    for kwargs, expected in calls:
        with torch.no_grad():
            tokens = FluxTokens.of(pipe, [prompt], 14)
            v = flux_velocity(pipe, kwargs["hidden_states"], kwargs["timestep"], tokens)
        assert torch.equal(v, expected)


def test_packing_is_the_inverse_of_the_pipelines_unpacking():
    latents = torch.randn(3, 4, 16, 16)
    assert torch.equal(FluxPipeline._unpack_latents(pack_latents(latents), 64, 64, 4), latents)


def test_the_learning_rate_warms_up_and_falls_to_zero():
    recipe = dataclasses.replace(MINIS["flux_mini"], steps=100, warmup=10)
    factors = [rate_factor(step, recipe) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == 1.0
    assert factors[-1] == pytest.approx(0.0)
    assert all(a >= b for a, b in itertools.pairwise(factors[10:]))


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 16, 4), (2, 4, 16)])
def test_muon_brings_all_singular_values_near_one(shape):
    generator = torch.Generator().manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=generator)))
    assert values.min() > 0.3
    assert values.max() < 1.3
