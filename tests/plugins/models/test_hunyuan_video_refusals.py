"""What is refused for the reasons of HunyuanVideo, and in which words."""

import math
import shutil

import pytest
from adapter_cases import HUNYUAN_VIDEO
from adapter_tools import message
from safetensors.torch import load_file, save_file

from fastflow import Request
from fastflow_plugins.models.hunyuan_video import HunyuanVideo

AGAIN = "Copy or download it again."


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"frames": 0}, "`frames` must be 1 or more, got 0."),
        ({"fps": 0.0}, "`fps` must be more than 0, got 0.0."),
        ({"fps": math.inf}, "`fps` must be more than 0, got inf."),
        (
            {"crop_start": 3},
            "`crop_start` belongs to a `prompt_template` of your own, got 3 without one. Give "
            "both or neither.",
        ),
        (
            {"prompt_template": "{}", "crop_start": -1},
            "`crop_start` must be 0 or more, got -1.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_values_out_of_range(options, refusal):
    assert message(HunyuanVideo, **options) == refusal


@pytest.mark.parametrize("template", ["", "a video", "{} {}", "{0}", "{} {x}", "{} {{}}", "{"])
def test_a_template_that_does_not_take_the_prompt(template):
    assert message(HunyuanVideo, prompt_template=template) == (
        "`prompt_template` must have {} once, where the prompt goes, and no other braces, got "
        f"{template!r}."
    )


@pytest.mark.parametrize(("frames", "near"), [(2, 1), (4, 5), (128, 129)])
def test_a_number_of_frames_that_the_autoencoder_cannot_give(frames, near):
    assert message(HUNYUAN_VIDEO.model, frames=frames) == (
        f"`frames` must be one more than a multiple of 4, got {frames}. Try {near}."
    )


@pytest.mark.parametrize("recipe", [{}, {"true_cfg_scale": 2.0}], ids=["prompt", "negative"])
def test_a_prompt_of_which_nothing_is_left(recipe):
    options = {"prompt_template": "{}", "crop_start": 1, "max_sequence_length": 8} | recipe
    request = Request(0, "a cat" if recipe else "", 0)
    assert message(HUNYUAN_VIDEO.model(**options).prepare, request) == (
        "the prompt '' has no token left once the template is cut off. Lower `crop_start`, or let "
        "`prompt_template` continue after {}."
    )


def test_a_scheduler_whose_shift_hangs_on_a_number_that_the_pipeline_does_not_give():
    pipe = HUNYUAN_VIDEO.pipeline(use_dynamic_shifting=True)
    assert message(HUNYUAN_VIDEO.model, pipe) == (
        "the pipeline's scheduler cannot be used: its `use_dynamic_shifting` needs a number that "
        "a HunyuanVideoPipeline does not give. Set it to false (in a folder: "
        "scheduler/scheduler_config.json)."
    )


@pytest.fixture
def folder(copy):
    return copy(HUNYUAN_VIDEO)


def _load(folder):
    return message(HUNYUAN_VIDEO.recipe(path=str(folder)).load)


@pytest.mark.parametrize("part", ["tokenizer", "tokenizer_2"])
def test_a_tokenizer_that_lacks_its_words(folder, part):
    (folder / part / "tokenizer.json").unlink()
    kind = {"tokenizer": "LlamaTokenizer", "tokenizer_2": "CLIPTokenizer"}[part]
    assert _load(folder) == (
        f"the folder {folder / part} holds no vocabulary for its {kind}: it needs one of "
        f"tokenizer.json, vocab.json, tokenizer.model, spiece.model, vocab.txt. {AGAIN}"
    )


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
    refusal = _load(folder)
    assert refusal.startswith(
        f"the weights {file} are not those of this {kind}: {count[0]} of its {count[1]} "
        "tensors are missing, such as '"
    )
    assert refusal.endswith(AGAIN)


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
