"""What HunyuanVideo's adapter refuses, and in which words; the rest it refuses like FLUX's."""

import json
import math
import shutil

import pytest
from diffusers import FlowMatchHeunDiscreteScheduler
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_pipelines import flux, hunyuan_video

from fastflow import Request
from fastflow_minis import folders
from fastflow_plugins.models.hunyuan_video import (
    HunyuanVideo,
    HunyuanVideoFlow,
)

SIZE = {"frames": 5, "height": 16, "width": 32}
AGAIN = "Copy or download it again."


def _message(function, *arguments, **options):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        function(*arguments, **options)
    return str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "`frames` must be 1 or more, got 0."),
        ({"fps": 0.0}, "`fps` must be more than 0, got 0.0."),
        ({"fps": math.inf}, "`fps` must be more than 0, got inf."),
        ({"path": " "}, "`path` is empty. Give a hub id (owner/name) or a folder."),
        ({"width": 0}, "`width` must be 1 or more, got 0."),
        ({"guidance_scale": -1.0}, "`guidance_scale` must be 0 or more, got -1.0."),
        ({"true_cfg_scale": 0.0}, "`true_cfg_scale` must be 1 (off) or more, got 0.0."),
        ({"max_sequence_length": 0}, "`max_sequence_length` must be from 1 to 512, got 0."),
        (
            {"crop_start": 3},
            "`crop_start` belongs to a `prompt_template` of your own, got 3 without one. Give "
            "both or none.",
        ),
        (
            {"prompt_template": "{}", "crop_start": -1},
            "`crop_start` must be 0 or more, got -1.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_values_out_of_range(options, message):
    assert _message(HunyuanVideo, **options) == message


@pytest.mark.parametrize("template", ["", "a video", "{} {}", "{0}", "{} {x}", "{} {{}}", "{"])
def test_a_template_that_does_not_take_the_prompt(template):
    assert _message(HunyuanVideo, prompt_template=template) == (
        "`prompt_template` must have {} once, where the prompt goes, and no other braces, got "
        f"{template!r}."
    )


@pytest.mark.parametrize(("frames", "near"), [(2, 1), (4, 5), (128, 129)])
def test_a_number_of_frames_that_the_autoencoder_cannot_give(frames, near):
    recipe = HunyuanVideo(**SIZE | {"frames": frames})
    assert _message(HunyuanVideoFlow, hunyuan_video.pipeline(), recipe) == (
        f"`frames` must be one more than a multiple of 4, got {frames}. Try {near}."
    )


def test_a_size_that_patches_do_not_tile():
    recipe = HunyuanVideo(**SIZE | {"height": 24})
    assert _message(HunyuanVideoFlow, hunyuan_video.pipeline(), recipe) == (
        "`height` and `width` must be multiples of 16, got 24 x 32. Try 32 x 32."
    )


def test_an_image():
    model = HunyuanVideoFlow(hunyuan_video.pipeline(), HunyuanVideo(**SIZE))
    request = Request(0, "a cat", 0, image=Image.new("RGB", (32, 16)))
    assert _message(model.prepare, request) == (
        "HunyuanVideoPipeline takes no images: leave the request's `image` out."
    )


@pytest.mark.parametrize("recipe", [{}, {"true_cfg_scale": 2.0}], ids=["prompt", "negative"])
def test_a_prompt_of_which_nothing_is_left(recipe):
    options = {"prompt_template": "{}", "crop_start": 1, "max_sequence_length": 8} | recipe
    model = HunyuanVideoFlow(hunyuan_video.pipeline(), HunyuanVideo(**SIZE | options))
    request = Request(0, "a cat" if recipe else "", 0)
    assert _message(model.prepare, request) == (
        "the prompt '' leaves no token once the template is cut off. Lower `crop_start`, or let "
        "`prompt_template` go on after {}."
    )


def test_another_pipeline_object():
    assert _message(HunyuanVideoFlow, flux.pipeline(), HunyuanVideo()) == (
        "`pipe` must be a HunyuanVideoPipeline, got a FluxPipeline."
    )


def test_schedulers_that_cannot_be_used():
    pipe = hunyuan_video.pipeline(use_dynamic_shifting=True)
    assert _message(HunyuanVideoFlow, pipe, HunyuanVideo(**SIZE)) == (
        "the pipeline's scheduler cannot be used: its `use_dynamic_shifting` wants a number that "
        "a HunyuanVideoPipeline does not give. Set it to false (in a folder: "
        "scheduler/scheduler_config.json)."
    )
    pipe.scheduler = FlowMatchHeunDiscreteScheduler()
    assert "FlowMatchHeunDiscreteScheduler is of order 2" in _message(
        HunyuanVideoFlow, pipe, HunyuanVideo(**SIZE)
    )


def test_a_mini_without_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_SHIPPED", tmp_path)
    assert _message(HunyuanVideo(path="hunyuan_video_mini").load) == (
        f"The weights of 'hunyuan_video_mini' are not in {tmp_path / 'hunyuan_video_mini'}: "
        "install the project from its repository or train them with `fastflow train-mini "
        "hunyuan_video_mini`."
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved")
    hunyuan_video.pipeline().save_pretrained(path)
    return path


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "pipeline")


def _load(folder):
    return _message(HunyuanVideo(path=str(folder), **SIZE).load)


def test_the_folder_of_another_pipeline(folder):
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline"}))
    assert _load(folder) == (
        f"the folder {folder} holds a WanPipeline, but this adapter takes a HunyuanVideoPipeline. "
        "Choose the adapter for it (`fastflow plugins` lists them) or another `path`."
    )


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "tokenizer"])
def test_a_folder_that_lacks_a_part(folder, part):
    shutil.rmtree(folder / part)
    message = _load(folder)
    assert message.startswith(
        f"the folder {folder} is incomplete: its model_index.json names the part {part!r} ("
    )
    assert message.endswith(f"but {part}/ holds no configuration. {AGAIN}")


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "text_encoder_2"])
def test_a_folder_that_lacks_weights(folder, part):
    for file in (folder / part).glob("*.safetensors"):
        file.unlink()
    message = _load(folder)
    assert message.startswith(f"the folder {folder} cannot be loaded: OSError: Error no file")
    assert str(folder / part) in message


@pytest.mark.parametrize("part", ["tokenizer", "tokenizer_2"])
def test_a_tokenizer_that_lacks_its_words(folder, part):
    (folder / part / "tokenizer.json").unlink()
    kind = {"tokenizer": "LlamaTokenizer", "tokenizer_2": "CLIPTokenizer"}[part]
    assert _load(folder) == (
        f"the folder {folder / part} holds no vocabulary for its {kind}: it needs one of "
        f"tokenizer.json, vocab.json, tokenizer.model, spiece.model, vocab.txt. {AGAIN}"
    )


@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_weights_that_are_cut_off(folder, part):
    (file,) = (folder / part).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1000])
    message = _load(folder)
    assert message.startswith(f"the weights {file} are damaged or cut off (Error while deseria")
    assert message.endswith(AGAIN)


@pytest.mark.parametrize(
    ("part", "kind", "other", "count"),
    [
        ("transformer", "HunyuanVideoTransformer3DModel", "vae", (92, 92)),
        ("vae", "AutoencoderKLHunyuanVideo", "transformer", (176, 176)),
        ("text_encoder", "LlamaModel", "text_encoder_2", (26, 29)),
        ("text_encoder_2", "CLIPTextModel", "text_encoder", (17, 20)),
    ],
)
def test_the_weights_of_another_model(folder, part, kind, other, count):
    (file,) = (folder / part).glob("*.safetensors")
    (foreign,) = (folder / other).glob("*.safetensors")
    shutil.copy(foreign, file)
    message = _load(folder)
    assert message.startswith(
        f"the weights {file} are not those of this {kind}: {count[0]} of its {count[1]} "
        "tensors are missing, such as '"
    )
    assert message.endswith(AGAIN)


def test_weights_of_which_one_is_missing(folder):
    (file,) = (folder / "transformer").glob("*.safetensors")
    weights = load_file(file)
    del weights["proj_out.weight"]
    save_file(weights, file)
    count = len(weights) + 1
    assert _load(folder) == (
        f"the weights {file} are not those of this HunyuanVideoTransformer3DModel: 1 of its "
        f"{count} tensors are missing, such as 'proj_out.weight'. {AGAIN}"
    )
