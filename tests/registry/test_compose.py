"""Configurations: components by kind and name, and nothing of a stored one is run or resolved."""

import re

import pytest
import yaml

from fastflow.cli import main
from fastflow.registry import KINDS, ConfigError, build, installed, load, preset, read, save
from fastflow.runs import RunSettings

OLD = (
    "was written by an early fastflow 0.1, whose format named classes; such runs can no longer be "
    "opened. Run it again."
)


def composed(*words):
    return read(words, "sample", RunSettings)


@pytest.mark.parametrize(
    ("kind", "name"), [(e.kind, e.name) for e in installed().entries if e.kind != "probe"]
)
def test_a_preset_of_its_own_name_is_the_component_with_its_defaults(kind, name):
    assert preset(kind, name) == installed().get(kind, name)()


def test_a_node_names_its_component_and_holds_its_parameters():
    node = composed("policy=ucb", "policy.reward=paper", "policy.reward.scale=2")["policy"]
    assert node["component"] == "ucb"
    assert node["reward"] == {"component": "paper", "loss": "mse", "scale": 2.0}
    assert build("policy", node).reward.scale == 2.0


def test_no_class_is_named_in_what_is_written(tmp_path):
    save(composed("policy=ucb_paper", "metrics=[fidelity]"), tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text()
    assert "_target_" not in text
    assert "fastflow_plugins" not in text


def test_a_stored_configuration_comes_back_as_it_was(tmp_path):
    config = composed("policy=plan", "prompt=a cat")
    save(config, tmp_path / "config.yaml")
    assert load(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"component": "ucbb"}, "there is no policy named 'ucbb'. Did you mean 'ucb'?"),
        ({"component": "ucb", "gama": 1}, "policy 'ucb' has no parameter `gama`."),
        ({"component": "ucb", "gamma": -1.0}, "UCB: `gamma` must be 0 or more, got -1.0."),
        (
            {"gamma": 1.0},
            "`policy` must name a `component` and its parameters, got {'gamma': 1.0}.",
        ),
        ("ucb", "`policy` must name a `component` and its parameters, got 'ucb'."),
    ],
)
def test_a_node_that_cannot_be_built_is_refused(node, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        build("policy", node)


def hostile(tmp_path, node):
    """Writes a run directory whose configuration somebody else has changed."""
    config = composed() | {"policy": node}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "samples.jsonl").touch()
    return tmp_path / "config.yaml"


@pytest.mark.parametrize("command", ["sample", "compare"])
def test_a_class_in_a_foreign_configuration_is_not_run(tmp_path, capsys, command):
    made = tmp_path / "made"
    node = {"_target_": "pathlib.Path.touch", "self": str(made)}
    path = hostile(tmp_path, {"component": "ucb", "reward": node})
    if command == "compare":
        (tmp_path / "rows").mkdir()
    assert main([command, f"resume={tmp_path}"]) == 2
    assert f"{path} {OLD}" in capsys.readouterr().err
    assert not made.exists()


def test_a_run_of_version_0_1_is_refused_in_one_sentence(tmp_path):
    path = hostile(
        tmp_path, {"_target_": "fastflow_plugins.policies.bandits.ucb.UCB", "gamma": 1.0}
    )
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert str(refused.value) == f"{path} {OLD}"


def test_yaml_tags_construct_nothing(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("names: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)


def test_nothing_in_a_stored_configuration_is_interpolated(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hush")
    path = hostile(tmp_path, {"component": "never"})
    path.write_text(path.read_text() + "prompt: ${oc.env:SECRET}\n")
    assert load(path)["prompt"] == "${oc.env:SECRET}"


def test_every_kind_of_component_can_be_chosen_or_listed():
    config = composed()
    assert {"policy", "extrapolator", "corrector", "model", "executor"} <= config["names"].keys()
    assert set(KINDS) >= config["names"].keys()


def test_a_kind_that_a_command_does_not_use_is_refused():
    with pytest.raises(ConfigError) as refused:
        composed("method=skipping")
    assert str(refused.value) == "`method` is not used by `fastflow sample`. Leave it out."


def test_a_component_without_its_name_in_a_stored_configuration_is_told(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "names: {policy: ucb}\npolicy: {component: ucb}\nmodel: {component: mixture}\n"
    )
    with pytest.raises(ConfigError, match=r"config.yaml has a model, but no `names.model`\.$"):
        load(path, kinds=("policy", "model"))
