"""Configurations: refused settings and files, and components from stored nodes."""

import pytest

from fastflow.registry import build, compose
from fastflow.registry.messages import ConfigError
from fastflow.runs import RunSettings
from fastflow_plugins.policies.ucb import UCB


def refusal(call, *arguments):
    with pytest.raises(ConfigError) as error:
        call(*arguments)
    return str(error.value)


def test_a_kind_that_a_command_does_not_use_is_refused():
    message = refusal(compose.read, ["method=skipping"], "sample", RunSettings)
    assert message == "`method` is not used by `fastflow sample`. Leave it out."


def test_a_stored_configuration_builds_the_same_component(tmp_path):
    config = compose.read(["policy=ucb", "policy.gamma=0.5"], "sample", RunSettings)
    compose.save(config, tmp_path / "config.yaml")
    stored = compose.load(tmp_path / "config.yaml")
    assert stored == config
    assert compose.build_chosen(stored, "policy") == UCB(gamma=0.5)


def test_an_unknown_parameter_of_a_node_is_refused():
    message = refusal(build, "policy", {"component": "ucb", "gama": 0.5})
    assert message == "policy 'ucb' has no parameter `gama`."


def test_a_node_without_a_component_is_refused():
    message = refusal(build, "policy", {"gamma": 0.5})
    assert message == "`policy` must name a `component` and its parameters, got {'gamma': 0.5}."


def test_a_configuration_of_version_0_1_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("names: {policy: ucb}\npolicy: {_target_: os.system}\n")
    assert refusal(compose.load, path) == (
        f"{path} was written by fastflow 0.1, whose format names classes; such runs can no longer "
        "be opened. Run it again."
    )
