"""What every model that is a diffusers pipeline refuses, and in which words."""

import json
import math

import huggingface_hub.constants
import pytest
import torch
from adapter_cases import FLUX, HUNYUAN_VIDEO, KONTEXT
from adapter_tools import message
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from PIL import Image
from tiny_pipelines import flux

from fastflow import Request
from fastflow_minis import zoo
from fastflow_plugins.models.diffusers import check_device

AGAIN = "Copy or download it again."
SAVE = "`pipe.save_pretrained(folder)` writes one."


def _name(value):
    return next(iter(value)) if isinstance(value, dict) else getattr(value, "name", "")


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"path": " "}, "`path` is empty. Give a hub id (owner/name) or a folder."),
        ({"height": 0}, "`height` must be 1 or more, got 0."),
        ({"width": 0}, "`width` must be 1 or more, got 0."),
        ({"width": -16}, "`width` must be 1 or more, got -16."),
        ({"guidance_scale": -1.0}, "`guidance_scale` must be 0 or more, got -1.0."),
        ({"guidance_scale": math.nan}, "`guidance_scale` must be 0 or more, got nan."),
        ({"true_cfg_scale": math.inf}, "`true_cfg_scale` must be 1 (off) or more, got inf."),
        ({"true_cfg_scale": 0.0}, "`true_cfg_scale` must be 1 (off) or more, got 0.0."),
        ({"true_cfg_scale": 0.5}, "`true_cfg_scale` must be 1 (off) or more, got 0.5."),
        ({"max_sequence_length": 0}, "`max_sequence_length` must be from 1 to 512, got 0."),
        ({"max_sequence_length": 513}, "`max_sequence_length` must be from 1 to 512, got 513."),
    ],
    ids=_name,
)
def test_values_out_of_range(family, options, refusal):
    assert message(family.recipe_type, **options) == refusal


@pytest.mark.parametrize(
    ("family", "size", "patch", "instead"),
    [(FLUX, (18, 24), 4, "16 x 24"), (HUNYUAN_VIDEO, (24, 32), 16, "32 x 32")],
    ids=_name,
)
def test_a_size_that_patches_do_not_tile(family, size, patch, instead):
    height, width = size
    assert message(family.model, height=height, width=width) == (
        f"`height` and `width` must be multiples of {patch}, got {height} x {width}. "
        f"Try {instead}."
    )


@pytest.mark.parametrize(
    ("family", "refusal"),
    [
        (FLUX, "FluxPipeline does not edit images: leave out the request's `image`."),
        (
            HUNYUAN_VIDEO,
            "HunyuanVideoPipeline does not take images: leave out the request's `image`.",
        ),
    ],
    ids=_name,
)
def test_an_image_for_a_pipeline_that_takes_none(family, refusal):
    request = Request(0, "a cat", 0, image=Image.new("RGB", (32, 16)))
    assert message(family.model().prepare, request) == refusal


@pytest.mark.parametrize(
    ("family", "other"),
    [(FLUX, KONTEXT), (KONTEXT, FLUX), (HUNYUAN_VIDEO, FLUX)],
    ids=_name,
)
def test_another_pipeline_object(family, other):
    assert message(family.flow, other.pipeline(), family.recipe_type()) == (
        f"`pipe` must be a {family.kind.__name__}, got a {other.kind.__name__}."
    )


class Renoising(FlowMatchEulerDiscreteScheduler):
    """A scheduler with a step of its own."""

    def step(self, *arguments, **options):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("scheduler", "reason"),
    [
        (
            FlowMatchHeunDiscreteScheduler(),
            "FlowMatchHeunDiscreteScheduler is of order 2: its step needs more than one velocity",
        ),
        (
            UniPCMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction"),
            "UniPCMultistepScheduler takes other steps than FlowMatchEulerDiscreteScheduler",
        ),
        (Renoising(), "Renoising takes other steps than FlowMatchEulerDiscreteScheduler"),
        (
            flux.scheduler(stochastic_sampling=True),
            "its `stochastic_sampling` adds noise in every step",
        ),
        (flux.scheduler(invert_sigmas=True), "its `invert_sigmas` makes the sigmas rise"),
    ],
    ids=["heun", "unipc", "own_step", "stochastic", "inverted"],
)
def test_a_scheduler_that_does_not_take_plain_euler_steps(family, scheduler, reason):
    pipe = family.pipeline()
    pipe.scheduler = scheduler
    assert message(family.model, pipe) == (
        f"the pipeline's scheduler cannot be used: {reason}, and fastflow takes plain Euler steps "
        "itself. Use a FlowMatchEulerDiscreteScheduler (in a folder: "
        "scheduler/scheduler_config.json) without `stochastic_sampling` and `invert_sigmas`."
    )


def _load(family, path):
    return message(family.recipe(path=str(path)).load)


@pytest.mark.parametrize("path", ["./nowhere", "/no/such/folder", "nowhere", "a/b/c"])
def test_a_folder_that_does_not_exist(family, path):
    assert _load(family, path) == (
        f"`path` {path!r} is neither a folder on this machine nor a hub id (owner/name). "
        "Give one of the two."
    )


def test_a_file_for_a_folder(family, tmp_path):
    file = tmp_path / "pipeline.safetensors"
    file.touch()
    assert _load(family, file) == (
        f"`path` {str(file)!r} is a file. Give the folder of a diffusers pipeline; {SAVE}"
    )


def test_a_folder_that_is_not_a_pipeline(family, tmp_path):
    assert _load(family, tmp_path) == (
        f"`path` {str(tmp_path)!r} is not the folder of a diffusers pipeline: it holds no "
        f"model_index.json. {SAVE}"
    )


def test_a_damaged_index(family, tmp_path):
    file = tmp_path / "model_index.json"
    file.write_text('{"_class_name": "Flux')
    refusal = _load(family, tmp_path)
    assert refusal.startswith(f"{file} is not JSON: it is empty or cut off")
    assert refusal.endswith(AGAIN)


@pytest.mark.parametrize(
    ("family", "other"),
    [(FLUX, "WanPipeline"), (KONTEXT, "FluxPipeline"), (HUNYUAN_VIDEO, "WanPipeline")],
    ids=_name,
)
def test_the_folder_of_another_pipeline(family, other, tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": other}))
    assert _load(family, tmp_path) == (
        f"the folder {tmp_path} holds a {other}, but this model takes a "
        f"{family.kind.__name__}. Choose the model for it (`fastflow plugins` lists them) or "
        "another `path`."
    )


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "tokenizer"])
def test_a_folder_that_lacks_a_part(family, copy, part):
    folder = copy(family)
    kind = json.loads((folder / "model_index.json").read_text())[part][1]
    refusal = (
        f"the folder {folder} is incomplete: its model_index.json names the part {part!r} "
        f"({kind}), but {part}/ holds no configuration. {AGAIN}"
    )
    for file in (folder / part).iterdir():
        file.unlink()
    assert _load(family, folder) == refusal
    (folder / part).rmdir()
    assert _load(family, folder) == refusal


@pytest.mark.parametrize(
    ("family", "part"),
    [
        (FLUX, "transformer"),
        (FLUX, "vae"),
        (FLUX, "text_encoder"),
        (HUNYUAN_VIDEO, "transformer"),
        (HUNYUAN_VIDEO, "vae"),
        (HUNYUAN_VIDEO, "text_encoder"),
        (HUNYUAN_VIDEO, "text_encoder_2"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_folder_that_lacks_weights(family, copy, part):
    folder = copy(family)
    (file,) = (folder / part).glob("*.safetensors")
    file.unlink()
    assert _load(family, folder) == (
        f"{file} is missing: it holds the weights. Copy or download it again."
    )


@pytest.mark.parametrize(
    ("family", "part"),
    [
        (FLUX, "transformer"),
        (FLUX, "text_encoder_2"),
        (HUNYUAN_VIDEO, "transformer"),
        (HUNYUAN_VIDEO, "text_encoder"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_weights_that_are_cut_off(family, copy, part):
    folder = copy(family)
    (file,) = (folder / part).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1000])
    refusal = _load(family, folder)
    assert refusal.startswith(f"{file} is cut off or too long: it has ")
    assert refusal.endswith(AGAIN)


@pytest.mark.parametrize(
    ("part", "name", "value", "refusal"),
    [
        ("transformer", "num_layers", 2**63, f"must be 1000 or less, got {2**63}."),
        ("text_encoder", "num_hidden_layers", 1001, "must be 1000 or less, got 1001."),
        ("vae", "scaling_factor", "0.5", "must be a number, got '0.5'."),
        ("vae", "scaling_factor", 0, "must be more than 0.0, got 0."),
        ("vae", "scaling_factor", None, "must be a number, got None."),
        ("vae", "shift_factor", 10**40, f"must be 1000000.0 or less, got {10**40}."),
    ],
)
def test_a_setting_that_would_be_used_as_it_is(family, copy, part, name, value, refusal):
    folder = copy(family)
    file = folder / part / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: value}))
    assert _load(family, folder) == f"{file} `{name}` {refusal} {AGAIN}"


def test_words_that_are_called_like_settings_and_lists_of_layers_are_left_alone(copy):
    folder = copy(FLUX)
    words = {"layers": 29079, "shift_factor": "x"}
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(words))
    file = folder / "text_encoder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"mlp_only_layers": []}))
    FLUX.recipe(path=str(folder)).load()


@pytest.mark.parametrize("value", [2**40, None, [], "14"])
def test_prompts_that_would_be_filled_up_without_end(copy, value):
    folder = copy(FLUX)
    file = folder / "tokenizer" / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "model_max_length": value}))
    refusal = _load(FLUX, folder)
    assert refusal.startswith(
        f"the folder {folder}: tokenizer/tokenizer_config.json must state a `model_max_length` of "
        "100,000 or less, to which prompts are filled up, got "
    )


def test_weights_of_another_shape_than_the_settings_state(family, copy):
    folder = copy(family)
    file = folder / "text_encoder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"vocab_size": 5}))
    refusal = _load(family, folder)
    assert refusal.endswith("says: its weights have other shapes than its config.json states.")


def test_a_mini_without_its_weights(family, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "_SHIPPED", tmp_path)
    name = family.mini
    assert _load(family, name) == (
        f"The weights of {name!r} are not in {tmp_path / name}: install the project from its "
        f"repository or train them with `fastflow train-mini {name}`."
    )


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.mark.usefixtures("offline")
def test_a_hub_repository_that_is_out_of_reach(family):
    recipe = family.recipe_type()
    assert message(recipe.load) == (
        f"`path` {recipe.path!r} is not a folder on this machine, and the hub "
        "repository of that name cannot be downloaded: the hub cannot be reached, or offline "
        "mode is on, and the local cache does not have it. Connect once, or give a local folder."
    )


def test_a_name_that_no_hub_repository_can_have(family):
    refusal = _load(family, "an owner/a name")
    assert refusal.startswith(
        "`path` 'an owner/a name' is not a folder on this machine, and the hub"
    )
    assert "HFValidationError" in refusal


def test_a_precision_that_models_are_not_run_in(family):
    load = family.recipe_type().load
    allowed = "`dtype` must be one of float32, bfloat16, float16, float64"
    assert message(load, dtype="int8") == f"{allowed}, got 'int8'."
    assert message(load, dtype="half") == f"{allowed}, got 'half'."


def test_a_device_that_does_not_exist(family):
    assert message(family.recipe_type().load, "gpu") == (
        "`device` must be cpu, cuda, cuda:1, mps or another torch device, got 'gpu'."
    )


def test_a_gpu_where_there_is_none(family, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert message(family.recipe_type().load, "cuda") == (
        f"`device` is 'cuda', but torch {torch.__version__} finds 0 CUDA GPUs here. "
        "Use cpu, or a torch with CUDA on a machine that has that GPU."
    )
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert check_device("cuda:1") == torch.device("cuda:1")
    assert "finds 2 CUDA GPUs" in message(check_device, "cuda:2")


def test_a_scheduler_whose_numbers_are_texts_is_named_when_steps_are_made(tmp_path):
    flux.pipeline().save_pretrained(tmp_path)
    file = tmp_path / "scheduler" / "scheduler_config.json"
    settings = json.loads(file.read_text()) | {"base_shift": "0.5", "use_dynamic_shifting": True}
    file.write_text(json.dumps(settings))
    model = FLUX.recipe_type(path=str(tmp_path), height=16, width=16).load("cpu", "float32")
    with pytest.raises(
        ValueError, match=r"cannot make 4 steps: look at its scheduler_config.json"
    ):
        model.grid(4)
