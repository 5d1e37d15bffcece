"""The mini that draws and edits: BAGEL's own network in small, written as its official files."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

from fastflow import Request
from fastflow_minis import MINIS, train
from fastflow_minis.evaluate import generate_answers
from fastflow_minis.models.bagel.bagel_components import (
    bagel_autoencoder,
    bagel_network,
    bagel_tokenizer,
    scale_latents,
)
from fastflow_minis.models.bagel.bagel_evaluation import BagelEditEvaluation, BagelSceneEvaluation
from fastflow_minis.models.bagel.bagel_mini import bagel_velocities, siglip_views
from fastflow_minis.models.kontext.kontext_mini import words_of_scenes_and_edits
from fastflow_minis.training.flow_matching import FlowMatching
from fastflow_minis.worlds.drawing import render_scene
from fastflow_minis.worlds.edits.edit_world import held_out_edits
from fastflow_minis.worlds.scenes.scene_world import held_out_captions
from fastflow_plugins.models.bagel import Bagel
from fastflow_plugins.models.bagel.bagel_flow import BagelFlow
from fastflow_plugins.models.bagel.checkpoint import NAMES, Parts, load_parts
from fastflow_plugins.models.bagel.checkpoint import encode_latents as encode
from fastflow_plugins.models.bagel.pictures import patches
from fastflow_plugins.models.bagel.pictures import pixel_values as pixels

QUICK = {
    "inner_steps": 3,
    "vae_steps": 2,
    "vae_batch": 2,
    "examples": 24,
    "steps": 3,
    "batch": 4,
    "warmup": 2,
    "width": 32,
    "layers": 3,
    "heads": 2,
    "key_heads": 1,
    "inner": 32,
    "vision_width": 32,
    "vision_layers": 1,
}
SIZE = {"height": 64, "width": 64, "image_sides": (64, 64), "view_sides": (56, 56)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    train("bagel_mini", out, **QUICK)
    return out


@pytest.fixture(scope="module")
def mini(run):
    """Returns the run's mini as it is built, with an output that is not zero."""
    made = dataclasses.replace(MINIS["bagel_mini"], **QUICK).build(run)
    torch.nn.init.normal_(made.network.llm2vae.weight, std=0.1)
    return made


def test_a_quick_recipe_trains_to_the_official_files(run):
    folder = run / "pipeline"
    assert sorted(file.name for file in folder.iterdir()) == sorted(NAMES)
    for evaluation, questions in (
        (BagelSceneEvaluation(), held_out_captions(2)),
        (BagelEditEvaluation(), held_out_edits(2)),
    ):
        model = evaluation.load(folder, "cpu")
        images = generate_answers(evaluation, model, questions, steps=2, true_cfg_scale=2.0)
        assert images.shape == (2, 64, 64, 3)
        alone = generate_answers(evaluation, model, questions[:1], steps=2, true_cfg_scale=2.0)
        assert np.array_equal(images[:1], alone)


def test_what_is_written_is_what_was_learned(mini, tmp_path):
    mini.save(tmp_path)
    read = load_parts(str(tmp_path), torch.device("cpu"), torch.float32)
    for own, theirs in ((mini.network, read.network), (mini.vae, read.autoencoder)):
        weights = theirs.state_dict()
        assert weights.keys() == own.state_dict().keys()
        for name, weight in own.state_dict().items():
            assert torch.equal(weight.half().float(), weights[name]), name
    text = "make the red circle blue"
    assert read.tokenizer.encode(text) == mini.tokenizer.encode(text)
    assert read.network.markers == mini.network.markers


@pytest.mark.parametrize("sees", [True, False])
@pytest.mark.parametrize("hears", [True, False])
def test_training_calls_the_network_as_the_plugin_does(mini, sees, hears):
    parts = Parts(mini.network, mini.vae, mini.tokenizer)
    flow = BagelFlow(parts, Bagel(path="mini", image_scale=1.5, **SIZE))
    asked = held_out_edits(1)[0]
    text, source = asked.instruction.text, Image.fromarray(render_scene(asked.source))
    problem = flow.prepare(Request(0, text, 5, image=source if sees else None))
    context = problem.conditioning.full if hears else problem.conditioning.no_text
    t = torch.tensor([0.7])
    with torch.no_grad():
        expected = mini.network.velocity(context, problem.x[0], t, problem.conditioning.places)
        z = encode(mini.vae, pixels(source), torch.Generator().manual_seed(5))
        found = bagel_velocities(
            mini.network,
            problem.x.repeat(2, 1, 1),
            t.repeat(2),
            torch.tensor([mini.tokenizer.encode(text)] * 2) if hears else None,
            patches(z, 2).repeat(2, 1, 1) if sees else None,
            (siglip_views(np.asarray(source)[None]).float() / 127.5 - 1).repeat(2, 1, 1)
            if sees
            else None,
        )
    torch.testing.assert_close(found, expected.expand(2, -1, -1), rtol=1e-4, atol=1e-5)


def test_latents_have_unit_variance_at_bagels_fixed_scale():
    vae = bagel_autoencoder(MINIS["bagel_mini"])
    x = torch.rand(4, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        before = vae.encode(x).latent_dist
        image = vae.decode(before.mean).sample
        scale_latents(vae, before.mean.std().item())
        after = vae.encode(x).latent_dist
        again = vae.decode(after.mean).sample
    assert (0.3611 * after.mean).std().item() == pytest.approx(1, rel=1e-4)
    factor = after.mean.std() / before.mean.std()
    torch.testing.assert_close(after.mean, factor * before.mean, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(after.std, factor * before.std, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(again, image, rtol=1e-3, atol=1e-4)


def test_every_word_is_one_token(mini):
    tokenizer = mini.tokenizer
    for word in words_of_scenes_and_edits():
        assert len(tokenizer.encode(word)) == len(tokenizer.encode(f"a {word}")) - 1 == 1
    assert tokenizer.decode(tokenizer.encode("a zebra")) == "a zebra"


def test_the_first_heads_look_at_the_words_before():
    network = bagel_network(MINIS["bagel_mini"], bagel_tokenizer(words_of_scenes_and_edits()))
    attention = network.transformer.layers[0].self_attn
    positions = torch.arange(9)
    x = torch.randn(9, 128)
    with torch.no_grad():
        cos, sin = network.transformer._rotation(positions, torch.float32)
        q = attention.q_norm(attention.q_proj(x).unflatten(-1, (-1, 32)))
        k = attention.k_norm(attention.k_proj(x).unflatten(-1, (-1, 32)))
        q, k = apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=1)
    for head, back in ((0, 1), (1, 2)):
        scores = q[:, head] @ k[:, 0].T
        assert scores[5, :6].argmax() == 5 - back


def test_training_lowers_the_loss(tmp_path):
    recipe = dataclasses.replace(MINIS["bagel_mini"], **QUICK | {"steps": 40, "batch": 16})
    mini = recipe.build(tmp_path)
    matching = FlowMatching(mini.learners, mini.objective(tmp_path), recipe)
    losses = [matching.advance() for _ in range(40)]
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:5])


def test_a_run_can_be_prolonged(run):
    train("bagel_mini", run, resume=True, steps=4)
    assert torch.load(run / "checkpoint.pt")["step"] == 4


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_batch_without_scenes_or_without_edits_is_refused(share):
    with pytest.raises(ValueError, match=f"`edits` must leave .* a batch of 256, got {share}"):
        dataclasses.replace(MINIS["bagel_mini"], edits=share)
