"""What the model BAGEL refuses, and in which words."""

import json
import math
import shutil

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tiny_pipelines import bagel

from fastflow_plugins.models.bagel import Bagel

NAMES = "llm_config.json, vit_config.json, ema.safetensors, ae.safetensors, vocab.json, merges.txt"


def message(function, *arguments, **options):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        function(*arguments, **options)
    return str(raised.value)


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(bagel.FOLDER, tmp_path, dirs_exist_ok=True)
    return tmp_path


def change(file, **entries):
    """Changes entries of a configuration; None takes one out."""
    content = json.loads(file.read_text()) | entries
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def change_weights(file, change):
    weights = load_file(file)
    change(weights)
    save_file(weights, file)


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"path": " "}, "`path` is empty. Give a hub id (owner/name) or a folder."),
        ({"height": 0}, "`height` must be 1 or more, got 0."),
        (
            {"width": 1000},
            "`height` and `width` must be multiples of 16, got 1024 x 1000. Try 1024 x 992.",
        ),
        ({"text_scale": 0.5}, "`text_scale` must be 1 (off) or more, got 0.5."),
        ({"image_scale": float("nan")}, "`image_scale` must be 1 (off) or more, got nan."),
        (
            {"interval": (0.8, 0.2)},
            "`interval` must be two times, 0 <= low <= high <= 1, got [0.8, 0.2].",
        ),
        (
            {"interval": (0.8,)},
            "`interval` must be two times, 0 <= low <= high <= 1, got [0.8].",
        ),
        (
            {"renormalisation": "tokens"},
            "`renormalisation` must be one of global, channel, text_channel, got 'tokens'.",
        ),
        ({"renorm_min": 1.5}, "`renorm_min` must be from 0 to 1, got 1.5."),
        ({"shift": 0.0}, "`shift` must be above 0, got 0.0."),
        (
            {"view_sides": (980, 224)},
            "`view_sides` must be the shortest and the longest side, got [980, 224].",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_values_out_of_range(options, refusal):
    assert message(Bagel, **options) == refusal


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (
            {"height": 1040},
            "`height` must be made of multiples of 16 up to 1024, got 1040.",
        ),
        (
            {"image_sides": (512, 1040)},
            "`image_sides` must be made of multiples of 16 up to 1024, got 512, 1040.",
        ),
        (
            {"view_sides": (220, 980)},
            "`view_sides` must be made of multiples of 14 up to 980, got 220, 980.",
        ),
    ],
    ids=["height", "image_sides", "view_sides"],
)
def test_sizes_that_the_networks_tables_do_not_have(options, refusal):
    assert message(bagel.model, **options) == refusal


def test_a_precision_that_bagel_is_not_run_in():
    assert message(bagel.recipe().load, dtype="float16") == (
        "`dtype` must be one of float32, bfloat16, got 'float16'."
    )


@pytest.mark.parametrize("name", NAMES.split(", "))
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    assert message(Bagel(path=str(folder)).load) == (
        f"`path` '{folder}' is not a BAGEL: it holds no {name}. BAGEL's files are {NAMES}, as its "
        "repository on the hub has them. Copy or download it again."
    )


def test_a_file_for_a_folder():
    file = bagel.FOLDER / "vocab.json"
    assert message(Bagel(path=str(file)).load) == (
        f"`path` '{file}' is a file. Give the folder of BAGEL's files."
    )


def test_a_path_that_is_neither_folder_nor_id():
    assert message(Bagel(path="./nowhere").load) == (
        "`path` './nowhere' is neither a folder on this machine nor a hub id (owner/name). Give "
        "one of the two."
    )


def test_the_hub_out_of_reach():
    assert message(Bagel().load) == (
        "`path` 'ByteDance-Seed/BAGEL-7B-MoT' is not a folder on this machine, and the hub "
        "repository of that name cannot be downloaded: the hub cannot be reached, or offline "
        "mode is on, and the local cache does not have it. Connect once, or give a local folder."
    )


def test_a_hub_repository_in_the_local_cache_loads(tmp_path, monkeypatch):
    commit = "0" * 40
    cached = tmp_path / "models--someone--bagel"
    shutil.copytree(bagel.FOLDER, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    model = bagel.recipe(path="someone/bagel").load()
    assert model.key.startswith("bagel(someone/bagel, 64x96, ")


@pytest.mark.parametrize("name", ["llm_config.json", "vit_config.json"])
def test_a_damaged_configuration(folder, name):
    (folder / name).write_text("{")
    refusal = message(Bagel(path=str(folder)).load)
    assert refusal.startswith(f"{folder / name} is not JSON: it is empty or cut off. ")
    assert refusal.endswith("Copy or download it again.")


def test_a_configuration_of_something_else(folder):
    change(folder / "vit_config.json", image_size=None, patch_size=None)
    assert message(Bagel(path=str(folder)).load) == (
        f"{folder / 'vit_config.json'} is not BAGEL's: it lacks image_size, patch_size. Copy or "
        "download it again."
    )


@pytest.mark.parametrize("name", ["ema.safetensors", "ae.safetensors"])
def test_weights_that_are_cut_off(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    refusal = message(Bagel(path=str(folder)).load)
    assert refusal.startswith(f"{folder / name} is cut off or too long: it has")
    assert refusal.endswith("Copy or download it again.")


def of_ema(folder, reason):
    return (
        f"the weights {folder / 'ema.safetensors'} are not those of the BAGEL that "
        "llm_config.json and vit_config.json next to them describe: "
        f"{reason}. Take all three from BAGEL's repository."
    )


def test_weights_that_lack_some(folder):
    def thin_out(weights):
        for name in [n for n in weights if n.startswith("language_model.model.layers.1.mlp_moe")]:
            del weights[name]
        del weights["llm2vae.bias"], weights["vae2llm.bias"]

    change_weights(folder / "ema.safetensors", thin_out)
    names = ", ".join(
        f"language_model.model.layers.1.mlp_moe_gen.{part}_proj.weight"
        for part in ("gate", "up", "down")
    )
    refusal = message(Bagel(path=str(folder)).load)
    assert refusal == of_ema(folder, f"they lack {names} and 2 more")


def test_weights_of_a_larger_model(folder):
    change_weights(folder / "ema.safetensors", lambda w: w.update(adapter=torch.zeros(1)))
    refusal = message(Bagel(path=str(folder)).load)
    assert refusal == of_ema(folder, "they hold the unknown adapter")


def test_weights_of_another_shape(folder):
    change(folder / "llm_config.json", intermediate_size=128)
    refusal = message(Bagel(path=str(folder)).load)
    assert refusal.startswith(
        of_ema(folder, "")[: -len(". Take all three from BAGEL's repository.")]
    )
    assert "size mismatch for language_model.model.layers.0.mlp.gate_proj.weight" in refusal


def test_the_outputs_of_words_are_not_needed(folder):
    name = "language_model.lm_head.weight"
    change_weights(folder / "ema.safetensors", lambda weights: weights.pop(name))
    bagel.recipe(path=str(folder)).load()


@pytest.mark.parametrize("change", [lambda w: w.clear(), lambda w: w.pop("encoder.norm_out.bias")])
def test_an_autoencoder_of_something_else(folder, change):
    change_weights(folder / "ae.safetensors", lambda w: (change(w), w.update(x=torch.zeros(1))))
    refusal = message(Bagel(path=str(folder)).load)
    file = folder / "ae.safetensors"
    assert refusal.startswith(
        f"the weights {file} are not those of FLUX's autoencoder, which BAGEL"
    )
    assert refusal.endswith("Take ae.safetensors from BAGEL's repository.")


def test_a_vocabulary_larger_than_the_network_has(folder):
    change(folder / "llm_config.json", vocab_size=260)
    assert message(Bagel(path=str(folder)).load) == (
        f"{folder / 'vocab.json'} does not fit llm_config.json next to it: with the markers "
        "it has 261 words, and the network has 260. Take both from BAGEL's repository."
    )


def test_a_damaged_vocabulary(folder):
    (folder / "vocab.json").write_text("{")
    refusal = message(Bagel(path=str(folder)).load)
    assert refusal.startswith(
        f"{folder / 'vocab.json'} and merges.txt next to it do not make a tokenizer. Copy or "
        "download them again. transformers says: "
    )


@pytest.mark.parametrize("value", ["many", 0, math.inf])
def test_a_base_of_frequencies_that_is_no_number(folder, value):
    file = folder / "llm_config.json"
    change(file, rope_theta=value)
    assert message(Bagel(path=str(folder)).load).startswith(f"{file} `rope_theta` must be ")


@pytest.mark.parametrize("name", ["llm_config.json", "vit_config.json"])
def test_so_many_layers_that_building_them_would_not_end(folder, name):
    change(folder / name, num_hidden_layers=10**6)
    assert message(Bagel(path=str(folder)).load) == (
        f"{folder / name} `num_hidden_layers` must be 1000 or less, got 1000000. Copy or download "
        "it again."
    )
