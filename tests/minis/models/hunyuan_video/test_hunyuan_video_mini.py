"""The mini that makes videos: tokenizers, autoencoder, and training as the pipeline calls."""

import dataclasses

import numpy as np
import pytest
import torch
from diffusers import HunyuanVideoPipeline
from safetensors.torch import load_file
from transformers import LlamaTokenizer

from fastflow import Request, Sampler, Video
from fastflow.integration.corrector import NoCorrection
from fastflow.integration.extrapolator import Reuse
from fastflow.registry.compose import preset
from fastflow_minis import MINIS, export_mini, folder, train, zoo
from fastflow_minis.evaluate import generate_answers
from fastflow_minis.models.hunyuan_video.hunyuan_video_components import PROMPT_TEMPLATE
from fastflow_minis.models.hunyuan_video.hunyuan_video_mini import (
    HunyuanVideoLoss,
    HunyuanVideoTokens,
    hunyuan_video_velocity,
    video_example,
)
from fastflow_minis.models.hunyuan_video.video_autoencoder import (
    encode_videos,
    hunyuan_video_autoencoder,
    inflate,
    normalise_video_latents,
    video_latents,
)
from fastflow_minis.models.word_tokenizers import llama_tokenizer
from fastflow_minis.training.flow_matching import FlowMatching
from fastflow_minis.training.image_autoencoder import image_tensor, psnr_of_mse
from fastflow_minis.worlds.evaluation import MeanScore, score_answers
from fastflow_minis.worlds.videos.video_evaluation import VideoEvaluation
from fastflow_minis.worlds.videos.video_language import words_of_videos
from fastflow_minis.worlds.videos.video_world import (
    FRAMES,
    held_out_motions,
    render_video,
    video_of,
)
from fastflow_plugins.models.bagel.checkpoint import load_autoencoder
from fastflow_plugins.models.hunyuan_video import HunyuanVideo
from fastflow_plugins.policies.never import Never

QUICK = {
    "examples": 8,
    "vae_steps": 3,
    "vae_batch": 2,
    "steps": 4,
    "batch": 4,
    "warmup": 2,
    "heads": 2,
    "double_blocks": 1,
    "single_blocks": 1,
    "text_width": 16,
}
LENGTH = MINIS["hunyuan_video_mini"].tokens
"""Length of the text sequence."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    train("hunyuan_video_mini", out, **QUICK)
    return out


@pytest.fixture
def mini(run):
    recipe = dataclasses.replace(MINIS["hunyuan_video_mini"], **QUICK)
    return recipe.build(run)


def test_a_quick_recipe_trains_to_a_pipeline_of_videos(run):
    pipe = VideoEvaluation().load(run / "pipeline", "cpu")
    assert type(pipe) is HunyuanVideoPipeline
    questions = held_out_motions(3)
    videos = generate_answers(VideoEvaluation(), pipe, questions, steps=2, true_cfg_scale=2.0)
    assert videos.shape == (3, FRAMES, 64, 64, 3)
    assert np.isfinite(videos).all()
    alone = generate_answers(VideoEvaluation(), pipe, questions[:1], steps=2, true_cfg_scale=2.0)
    np.testing.assert_allclose(videos[:1], alone, atol=1e-3)


def test_a_finished_run_can_be_prolonged_and_exported_again(run):
    train("hunyuan_video_mini", run, resume=True, steps=6)
    assert torch.load(run / "checkpoint.pt")["step"] == 6
    assert len(torch.load(run / "dataset.pt")["captions"]) == QUICK["examples"]
    assert HunyuanVideoPipeline.from_pretrained(export_mini(run, run / "again"))


def test_the_preset_samples_from_the_trained_folder(run, monkeypatch):
    monkeypatch.setattr(zoo, "_SHIPPED", run)
    (run / "hunyuan_video_mini").symlink_to(run / "pipeline")
    recipe = preset("model", "hunyuan_video_mini")
    assert isinstance(recipe, HunyuanVideo)
    assert recipe.max_sequence_length == LENGTH
    assert {"template": recipe.prompt_template, "crop_start": recipe.crop_start} == PROMPT_TEMPLATE
    prompt = recipe.prompts(1)[0]
    sampler = Sampler(recipe.load(), Never(), Reuse(), NoCorrection())
    (sample,) = sampler.run([Request(0, prompt.text, 0, 3)])
    assert isinstance(sample.output, Video)
    assert (len(sample.output.frames), sample.output.size) == (FRAMES, (64, 64))
    assert sample.calls == 6


def test_every_word_is_one_known_token_and_every_caption_fits(mini):
    for tokenizer in (mini.pipe.tokenizer, mini.pipe.tokenizer_2):
        ids = [tokenizer(word, add_special_tokens=False).input_ids for word in words_of_videos()]
        assert all(len(one) == 1 for one in ids)
        assert len({one[0] for one in ids} - {tokenizer.unk_token_id}) == len(ids)
        for asked in held_out_motions(80):
            length = len(tokenizer(asked.text).input_ids)
            assert length == len(asked.text.split()) + len(tokenizer("").input_ids) <= LENGTH


def test_the_language_models_tokenizer_starts_every_text_and_reads_the_same_when_saved(tmp_path):
    tokenizer = llama_tokenizer(words_of_videos(), LENGTH)
    assert tokenizer("").input_ids == [tokenizer.bos_token_id]
    tokenizer.save_pretrained(tmp_path)
    loaded = LlamaTokenizer.from_pretrained(tmp_path)
    texts = ["", "a hippopotamus, 7 é 中", *(asked.text for asked in held_out_motions(40))]
    assert loaded(texts).input_ids == tokenizer(texts).input_ids
    assert (loaded.model_max_length, loaded.padding_side) == (LENGTH, "right")
    assert max(max(ids) for ids in loaded(texts).input_ids) < len(loaded)


def test_training_calls_the_transformer_as_the_pipeline_does(mini):
    pipe = mini.pipe
    pipe.set_progress_bar_config(disable=True)
    calls = []
    hook = pipe.transformer.register_forward_hook(
        lambda module, args, kwargs, output: calls.append((kwargs, output[0])), with_kwargs=True
    )
    text = held_out_motions(1)[0].text
    options = {"num_inference_steps": 2, "max_sequence_length": LENGTH, "output_type": "latent"}
    size = {"height": 64, "width": 64, "num_frames": FRAMES, "prompt_template": PROMPT_TEMPLATE}
    pipe(text, negative_prompt="", true_cfg_scale=2.0, **size, **options)
    hook.remove()
    assert len(calls) == 4
    for number, (kwargs, expected) in enumerate(calls):
        tokens = HunyuanVideoTokens.of(pipe, [("", text)[number % 2 == 0]], LENGTH)
        with torch.no_grad():
            v = hunyuan_video_velocity(
                pipe, kwargs["hidden_states"], kwargs["timestep"] / 1000, tokens
            )
        torch.testing.assert_close(v, expected, rtol=1e-5, atol=1e-6)


def test_training_lowers_the_loss(run, tmp_path):
    changes = {"batch": 8, "steps": 30, "warmup": 3}
    recipe = dataclasses.replace(MINIS["hunyuan_video_mini"], **QUICK | changes)
    (tmp_path / "vae").symlink_to(run / "vae")
    mini = recipe.build(tmp_path)
    matching = FlowMatching(mini.learners, mini.objective(tmp_path), recipe)
    assert isinstance(matching.objective, HunyuanVideoLoss)
    losses = [matching.advance() for _ in range(30)]
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:5])


def test_the_autoencoder_has_the_released_ones_factors_and_latents_are_normalised():
    recipe = dataclasses.replace(MINIS["hunyuan_video_mini"], **QUICK)
    torch.manual_seed(0)
    vae = hunyuan_video_autoencoder(recipe)
    assert (vae.spatial_compression_ratio, vae.temporal_compression_ratio) == (8, 4)
    rng = np.random.default_rng(0)
    videos = torch.from_numpy(np.stack([video_example(rng).image for _ in range(6)]))
    raw = encode_videos(vae, videos)
    with torch.no_grad():
        before = vae.decode(raw).sample
    normalise_video_latents(vae, videos)
    latents = video_latents(vae, videos.numpy())
    assert latents.shape == (6, 16, 3, 8, 8)
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3, 4)), torch.zeros(16), atol=1e-4, rtol=0)
    assert latents.std().item() == pytest.approx(1.0, abs=1e-3)
    with torch.no_grad():
        after = vae.decode(latents / vae.config.scaling_factor).sample
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_an_inflated_autoencoder_sees_a_frame_as_the_images_one_sees_it_turned():
    file = folder("bagel_mini") / "ae.safetensors"
    still = load_autoencoder(file, load_file(file)).float()
    vae = hunyuan_video_autoencoder(MINIS["hunyuan_video_mini"]).eval()
    inflate(vae, still)
    frame = torch.from_numpy(
        render_video(video_of(held_out_motions(1)[0], np.random.default_rng(0)))[:1]
    )
    image = image_tensor(frame)
    with torch.no_grad():
        turned = still.encode(image.flip(-1, -2)).latent_dist.mean
        seen = vae.encode(image[:, :, None]).latent_dist.mean
        drawn = vae.decode(seen).sample
    expected = still.decode(turned).sample.flip(-1, -2)
    inside = (..., slice(2, -2), slice(2, -2))  # borders are padded otherwise
    apart = (seen[:, :, 0] - turned.flip(-1, -2))[inside].norm() / turned[inside].norm()
    assert apart < 0.1, apart
    assert psnr_of_mse((drawn[:, :, 0] - expected).square().mean().item()) > 25


def test_other_channels_than_those_it_starts_from_are_refused(tmp_path):
    recipe = dataclasses.replace(MINIS["hunyuan_video_mini"], vae_channels=(8, 16, 32, 32))
    with pytest.raises(ValueError, match=r"`start`, 16, 32, 32, 32, got 8, 16, 32, 32"):
        recipe.build(tmp_path)


def test_true_renders_score_one():
    questions = held_out_motions(8)
    rng = np.random.default_rng(0)
    videos = [render_video(video_of(question, rng)) for question in questions]
    scores = score_answers(VideoEvaluation(), videos, questions)
    assert scores["overall"] == scores["consistency"] == scores["speed"] == MeanScore(8, 8)
    frozen = [np.repeat(video[:1], FRAMES, axis=0) for video in videos]
    assert score_answers(VideoEvaluation(), frozen, questions)["overall"] == MeanScore(0, 8)
