"""What FLUX's adapter refuses, and in which words."""

import json
import math

import huggingface_hub.constants
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from tiny_pipelines import flux, flux_images

import fastflow_minis
from fastflow_plugins.models.diffusers import check_device
from fastflow_plugins.models.flux import Flux, FluxFlow

SAVE = "`pipe.save_pretrained(folder)` writes one."


def _message(function, *arguments, **options):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        function(*arguments, **options)
    return str(raised.value)


@pytest.fixture
def folder(tmp_path):
    flux.pipeline().save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": " "}, "`path` is empty. Give a hub id (owner/name) or a folder."),
        ({"height": 0}, "`height` must be 1 or more, got 0."),
        ({"width": -16}, "`width` must be 1 or more, got -16."),
        ({"guidance_scale": -1.0}, "`guidance_scale` must be 0 or more, got -1.0."),
        ({"guidance_scale": math.nan}, "`guidance_scale` must be 0 or more, got nan."),
        ({"true_cfg_scale": math.inf}, "`true_cfg_scale` must be 1 (off) or more, got inf."),
        ({"true_cfg_scale": 0.5}, "`true_cfg_scale` must be 1 (off) or more, got 0.5."),
        ({"max_sequence_length": 0}, "`max_sequence_length` must be from 1 to 512, got 0."),
        ({"max_sequence_length": 513}, "`max_sequence_length` must be from 1 to 512, got 513."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_values_out_of_range(options, message):
    assert _message(Flux, **options) == message


def test_a_size_that_patches_do_not_tile():
    recipe = Flux(height=18, width=24)
    assert _message(FluxFlow, flux.pipeline(), recipe) == (
        "`height` and `width` must be multiples of 4, got 18 x 24. Try 16 x 24."
    )


def test_another_pipeline_object():
    assert _message(FluxFlow, flux_images.kontext(), Flux()) == (
        "`pipe` must be a FluxPipeline, got a FluxKontextPipeline."
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
def test_a_scheduler_that_does_not_take_plain_euler_steps(scheduler, reason):
    pipe = flux.pipeline()
    pipe.scheduler = scheduler
    assert _message(FluxFlow, pipe, Flux(height=16, width=16)) == (
        f"the pipeline's scheduler cannot be used: {reason}, and fastflow takes plain Euler steps "
        "itself. Use a FlowMatchEulerDiscreteScheduler (in a folder: "
        "scheduler/scheduler_config.json) without `stochastic_sampling` and `invert_sigmas`."
    )


@pytest.mark.parametrize("path", ["./nowhere", "/no/such/folder", "nowhere", "a/b/c"])
def test_a_folder_that_does_not_exist(path):
    assert _message(Flux(path=path).load) == (
        f"`path` {path!r} is no folder on this machine, and no hub id (owner/name) either. "
        "Give one of the two."
    )


def test_a_file_for_a_folder(tmp_path):
    file = tmp_path / "flux.safetensors"
    file.touch()
    assert _message(Flux(path=str(file)).load) == (
        f"`path` {str(file)!r} is a file. Give the folder of a diffusers pipeline; {SAVE}"
    )


def test_a_folder_that_is_no_pipeline(tmp_path):
    assert _message(Flux(path=str(tmp_path)).load) == (
        f"`path` {str(tmp_path)!r} is not the folder of a diffusers pipeline: it holds no "
        f"model_index.json. {SAVE}"
    )


def test_a_damaged_index(tmp_path):
    file = tmp_path / "model_index.json"
    file.write_text('{"_class_name": "Flux')
    message = _message(Flux(path=str(tmp_path)).load)
    assert message.startswith(f"{file} is damaged (Unterminated string")
    assert message.endswith("Copy or download it again.")


def test_the_folder_of_another_pipeline(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline"}))
    assert _message(Flux(path=str(tmp_path)).load) == (
        f"the folder {tmp_path} holds a WanPipeline, but this adapter takes a FluxPipeline. "
        "Choose the adapter for it (`fastflow plugins` lists them) or another `path`."
    )


def test_a_folder_that_lacks_a_part(folder):
    for file in (folder / "vae").iterdir():
        file.unlink()
    assert _message(Flux(path=str(folder)).load) == (
        f"the folder {folder} is incomplete: its model_index.json names the part 'vae' "
        "(AutoencoderKL), but vae/ holds no configuration. Copy or download it again."
    )


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_a_folder_that_lacks_weights(folder, part):
    for file in (folder / part).glob("*.safetensors"):
        file.unlink()
    message = _message(Flux(path=str(folder)).load)
    assert message.startswith(f"the folder {folder} cannot be loaded: OSError: Error no file")
    assert str(folder / part) in message


@pytest.mark.parametrize("part", ["transformer", "text_encoder_2"])
def test_weights_that_are_cut_off(folder, part):
    (file,) = (folder / part).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1000])
    message = _message(Flux(path=str(folder)).load)
    assert message.startswith(f"the weights {file} are damaged or cut off (Error while deseria")
    assert message.endswith("Copy or download it again.")


def test_a_mini_without_its_weights(monkeypatch):
    def folder(name):
        raise FileNotFoundError(f"The weights of {name!r} are not there.")

    monkeypatch.setattr(fastflow_minis, "folder", folder, raising=False)
    message = _message(Flux(path="flux_mini").load)
    assert message == "The weights of 'flux_mini' are not there."


@pytest.mark.usefixtures("offline")
def test_a_hub_repository_that_is_out_of_reach():
    assert _message(Flux(path="black-forest-labs/FLUX.1-dev").load) == (
        "`path` 'black-forest-labs/FLUX.1-dev' is no folder on this machine, and the hub "
        "repository of that name cannot be downloaded: the hub is out of reach, or offline mode "
        "is on, and the local cache does not hold it. Connect once, or give a local folder."
    )


def test_a_name_that_no_hub_repository_can_have():
    message = _message(Flux(path="an owner/a name").load)
    assert message.startswith("`path` 'an owner/a name' is no folder on this machine, and the hub")
    assert "HFValidationError" in message


def test_a_precision_that_models_are_not_run_in():
    allowed = "`dtype` must be one of float32, bfloat16, float16, float64"
    assert _message(Flux().load, dtype="int8") == f"{allowed}, got 'int8'."
    assert _message(Flux().load, dtype="half") == f"{allowed}, got 'half'."


def test_a_device_that_does_not_exist():
    assert _message(Flux().load, "gpu") == (
        "`device` must be cpu, cuda, cuda:1, mps or another torch device, got 'gpu'."
    )


def test_a_gpu_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert _message(Flux().load, "cuda") == (
        f"`device` is 'cuda', but torch {torch.__version__} finds 0 CUDA GPUs here. "
        "Use cpu, or a torch with CUDA on a machine that has that GPU."
    )
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert check_device("cuda:1") == torch.device("cuda:1")
    assert "finds 2 CUDA GPUs" in _message(check_device, "cuda:2")
