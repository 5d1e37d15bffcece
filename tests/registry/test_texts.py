"""Text on the command line and in presets is taken as it is: no grammar, no interpolation."""

import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_type_hints

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fastflow import Metric
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.registry import (
    ConfigError,
    build,
    building,
    compose,
    installed,
    load,
    read,
    save,
    texts,
)
from fastflow.registry.catalog import Catalog, CatalogEntry
from fastflow.runs import RunSettings

ODD = [
    "a cat, sitting on a mat",
    "a dog's \"house",
    "masterpiece, (cat:1.3), [dog], {red|blue}, <lora:x:1>",
    "${oc.env:HOME} ${model.name} $HOME \\${x} {} %s",
    "a cat \\(animal\\) \\",
    " two  spaces\tand\nlines \n",
    "日本の猫 🐈 e\u0301 \u2028 \x85",
    "'quoted'",
    '"quoted, too"',
    "null",
    "true",
    "12",
    "1e3",
    "~",
    "-x",
    "+x=1",
    "*",
    "???",
    "#1",
    "a=b=c",
    "--cfg",
    "words " * 4000,
]
PLACES = {
    "prompt": "sample",
    "prompts": "sample",
    "image": "sample",
    "out": "compare",
    "resume": "compare",
    "memory": "sample",
    "model.path": "sample",
    "model.negative_prompt": "compare",
    "model.revision": "calibrate",
    "executor.device": "calibrate",
    "policy.reward.loss": "sample",
    "metric.clip_score.path": "sample",
    "observer.wandb.group": "sample",
    "method.neural_solver.file": "compare",
}
CHOSEN = {
    "sample": ["metrics=[clip_score]", "observers=[wandb]"],
    "compare": ["methods=[neural_solver]", "metrics=[]"],
    "calibrate": [],
}


def composed(root, *words):
    own = ComparisonSettings if root == "compare" else RunSettings
    return read([*CHOSEN[root], *words], root, own)


def at(content, name):
    for key in name.split("."):
        content = content[key]
    return content


@pytest.mark.parametrize("root", CHOSEN)
def test_every_setting_that_is_text_takes_any_text(root, tmp_path):
    names = [name for name, where in PLACES.items() if where == root and name != "resume"]
    for i in range(0, len(ODD), len(names)):
        given_texts = dict(zip(names, ODD[i:], strict=False))
        config = composed(root, *(f"{name}={text}" for name, text in given_texts.items()))
        assert {name: at(config, name) for name in given_texts} == given_texts
        save(config, tmp_path / "config.yaml")
        assert load(tmp_path / "config.yaml") == config


def test_any_text_may_name_what_is_resumed():
    for text in ODD:
        assert read([f"resume={text}"], "sample", RunSettings)["resume"] == text


def test_every_parameter_that_is_text_takes_any_text():
    odd = "a, b: ${oc.env:HOME} 'c"
    for entry in installed().entries:
        hints = get_type_hints(entry.component)
        named = [f.name for f in fields(entry.component) if hints[f.name] in (str, str | None)]
        if entry.kind in ("model", "policy", "executor", "benchmark") and named:
            words = [f"{entry.kind}.{name}={odd}" for name in named]
            config = composed("sample", f"{entry.kind}={entry.name}", *words)
            assert [config[entry.kind][name] for name in named] == [odd] * len(named)


@pytest.fixture(scope="module")
def shape():
    composed("sample")
    return compose._compose("sample", ["model=flux"])


@settings(max_examples=300, deadline=None)
@given(text=st.text() | st.text("\n\r\t\x85\u2028 '\"#:,=-[]{}$\\~?ab"), path=st.text())
def test_any_text_passes_and_comes_back_from_the_file(shape, text, path):
    words = [f"prompt={text}", "steps=4", f"model.path={path}"]
    given_texts, others = texts.separate(words, shape)
    assert given_texts == {"prompt": text, "model.path": path}
    assert others == ["steps=4"]
    content = texts.content_of(shape) | {"hydra": None}
    texts.put(content, given_texts)
    assert yaml.safe_load(texts.as_yaml(content)) == content
    assert content["prompt"] == text
    assert content["model"]["path"] == path


@settings(max_examples=10, deadline=None)
@given(text=st.text(), path=st.text())
def test_any_text_is_composed_as_it_is(text, path):
    config = composed("calibrate", "model=flux", f"prompt={text}", f"model.path={path}")
    assert (config["prompt"], config["model"]["path"]) == (text, path)


def test_lists_of_names_keep_their_syntax_and_are_not_interpolated():
    config = composed(
        "sample", "benchmark=vbench", "benchmark.dimensions=[color,'${oc.env:HOME}']"
    )
    assert config["benchmark"]["dimensions"] == ["color", "${oc.env:HOME}"]
    assert composed("compare", "targets=[3,4]")["targets"] == [3, 4]


def test_the_last_of_two_texts_counts():
    assert composed("calibrate", "prompt=a, b", "prompt=c: d")["prompt"] == "c: d"


def test_numbers_may_still_refer_to_each_other():
    config = composed("calibrate", "model=flux", "model.height=${model.width}", "model.width=32")
    assert config["model"]["height"] == 32


@pytest.fixture
def presets(tmp_path, monkeypatch):
    """Returns a folder of presets that is a copy of ours."""
    folder = tmp_path / "conf"
    shutil.copytree(compose.presets(), folder)
    monkeypatch.setattr(compose, "presets", lambda: folder)
    return folder


def test_text_in_a_preset_is_not_interpolated(presets):
    (presets / "model" / "mine.yaml").write_text(
        "defaults:\n  - flux\n  - _self_\npath: ${oc.env:HOME}\n"
        "negative_prompt: '${nothing} \\${x} {}'\nwidth: 32\nheight: ${.width}\n"
    )
    for node in (
        composed("calibrate", "model=mine")["model"],
        vars(compose.preset("model", "mine")),
    ):
        assert node["path"] == "${oc.env:HOME}"
        assert node["negative_prompt"] == "${nothing} \\${x} {}"
        assert node["height"] == 32


@dataclass(frozen=True, kw_only=True)
class Filed(Metric):
    """Has paths, as somebody else's metric may."""

    file: Path
    folder: Path | None = None
    others: tuple[Path, ...] = (Path("a"),)
    side: Literal["left", "right"] = "left"
    either: str | Path = Path("b")

    def score(self, *_):
        return {}


def test_paths_are_text_and_reach_a_component_as_paths(monkeypatch, tmp_path):
    entry = CatalogEntry("metric", "filed", Filed, "mine")
    more = Catalog([*installed().entries, entry], {})
    for module in (compose, building):
        monkeypatch.setattr(module, "installed", lambda: more)
    words = ["metrics=[filed]", "metric.filed.file=a, b=${c}", "metric.filed.side=left"]
    config = read([*words, "metric.filed.folder= x"], "sample", RunSettings)
    save(config, tmp_path / "config.yaml")
    metric = build("metric", load(tmp_path / "config.yaml")["metric"]["filed"])
    assert metric.file == Path("a, b=${c}")
    assert metric.folder == Path(" x")
    assert [type(one) for one in metric.others] == [type(Path())]
    with pytest.raises(
        ConfigError, match=r"^metric 'filed' needs its parameter `file`\. Give it\.$"
    ):
        build("metric", read(words[:1], "sample", RunSettings)["metric"]["filed"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("promt=a, b", "there is no setting `promt`. Did you mean `prompt`"),
        ("model.pth=a: b", "there is no setting `model.pth`. Did you mean `model.path`"),
        ("cat = dog", "there is no setting `cat`."),
        ("a cat", "'a cat' is not a setting: settings are written key=value"),
        ("steps=a, b", "`steps` must be a number, a name, true, false, null or a list such as"),
        ("policy.reward=papr", "there is no reward named 'papr'. Did you mean 'paper'?"),
    ],
)
def test_a_word_that_is_no_setting_is_refused_by_name(word, message):
    with pytest.raises(ConfigError) as refused:
        composed("sample", word)
    assert str(refused.value).startswith(message)
