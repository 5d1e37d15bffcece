"""Presets of somebody else: in a package, beside a module, in a folder that is named."""

import re
from pathlib import Path

import pytest
from own_package import own_package, write_files

from fastflow.cli import main
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.policies import Drift
from fastflow.registry import ConfigError, build, preset, read
from fastflow.registry.preset_folders import searching
from fastflow.runs import RunSettings
from fastflow_plugins.policies import UCB

PLUGIN = "from fastflow import hookimpl\n\n\n@hookimpl\ndef fastflow_policies():\n    return {}\n"
BOLD = "defaults: [ucb, _self_]\ngamma: 7\n"
MINE = """\
defaults:
  - skipping
  - override /policy@policy: unafraid
  - _self_
turns: policy.reward.mu
high: 1.0
"""
PRESETS = {"conf/policy/unafraid.yaml": BOLD, "conf/method/mine.yaml": MINE}


def inside(package, files):
    return {f"{package}/{name}": text for name, text in files.items()}


@pytest.fixture(params=["mine", "mine.plugin", "mine.more.plugin"])
def package(request, tmp_path):
    """Installs a package with presets, whose hooks are in different modules of it."""
    entry, files = request.param, inside("mine", PRESETS)
    path = entry.replace(".", "/")
    files |= {"mine/__init__.py": "", "mine/more/__init__.py": ""}
    files[f"{path}.py" if "." in entry else f"{path}/__init__.py"] = PLUGIN
    with own_package(tmp_path / "site", files, entry) as folder:
        yield folder


def test_presets_of_an_installed_package_are_found(package):
    assert preset("policy", "unafraid") == UCB(gamma=7.0)
    assert build("policy", read(["policy=unafraid"], "sample", RunSettings)["policy"]).gamma == 7.0
    config = read(["methods=[mine]", "method.mine.high=2"], "compare", ComparisonSettings)
    method = build("method", config["method"]["mine"])
    assert (method.policy, method.high) == (UCB(gamma=7.0), 2.0)


def test_they_are_suggested(package):
    with pytest.raises(ConfigError, match=r"no method named 'mne'\. Did you mean 'mine'"):
        read(["methods=[mne]"], "compare", ComparisonSettings)


def test_presets_beside_a_single_module_are_found(tmp_path):
    with own_package(tmp_path / "site", {"mine.py": PLUGIN, **PRESETS}, "mine"):
        assert preset("policy", "unafraid") == UCB(gamma=7.0)
    with pytest.raises(ConfigError, match="there is no policy named 'unafraid'"):
        preset("policy", "unafraid")


def test_a_folder_is_named_on_the_command_line(tmp_path, capsys):
    folder = write_files(tmp_path / "it's my ${own} folder", {"policy/unafraid.yaml": BOLD})
    for words in (["--config-dir", str(folder)], [f"--config-dir={folder}"]):
        assert main(["sample", "--cfg", *words, "policy=unafraid"]) == 0
        assert "gamma: 7.0" in capsys.readouterr().out
    assert main(["sample", "--cfg", "policy=unafraid"]) == 2


@pytest.mark.parametrize(
    "command", ["sample --cfg", "compare --cfg", "calibrate --cfg", "plugins corrector"]
)
def test_every_command_takes_such_a_folder(command, tmp_path, capsys):
    write_files(tmp_path, {"policy/unafraid.yaml": BOLD, "method/mine.yaml": MINE})
    assert main([*command.split(), "--config-dir", str(tmp_path)]) == 0


def test_two_folders_are_searched(tmp_path, capsys):
    first = write_files(tmp_path / "a", {"policy/unafraid.yaml": BOLD})
    second = write_files(tmp_path / "b", {"method/mine.yaml": MINE})
    words = ["--config-dir", str(first), "--config-dir", str(second), "methods=[mine]"]
    assert main(["compare", "--cfg", *words]) == 0
    assert "gamma: 7.0" in capsys.readouterr().out


def refused(words, capsys):
    assert main(words) == 2
    return capsys.readouterr().err.removeprefix(f"fastflow {words[0]}: ").strip()


def test_the_preset_on_the_page_of_hooks_is_what_it_says(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
    ((name, text),) = re.findall(r'```yaml title="conf/([^"]+)"\n(.*?)```', page, re.DOTALL)
    write_files(tmp_path, {name: text})
    with searching([tmp_path]):
        assert preset("policy", Path(name).stem) == UCB(gamma=0.1, reward=Drift(mu=0.01))


def test_a_folder_that_cannot_be_meant_is_refused(tmp_path, capsys):
    assert refused(["sample", "--config-dir", "nowhere"], capsys) == (
        "`--config-dir` 'nowhere' is not a folder."
    )
    message = refused(["sample", "--config-dir", str(tmp_path)], capsys)
    assert message.startswith(f"`--config-dir` {str(tmp_path)!r} holds no preset. A preset is a")
    assert refused(["sample", "--config-dir"], capsys).startswith("`--config-dir` is followed by")


@pytest.mark.parametrize(
    ("name", "other"),
    [("ucb", "an installed component"), ("ucb_paper", "policy/ucb_paper.yaml")],
)
def test_a_preset_never_takes_the_place_of_another(name, other, tmp_path, capsys):
    write_files(tmp_path, {f"policy/{name}.yaml": BOLD})
    message = refused(["sample", "--cfg", "--config-dir", str(tmp_path)], capsys)
    pattern = f"two things are named '{name}' as policy: .*--config-dir.* and .*{other}"
    assert re.search(pattern, message)
    assert message.endswith("Rename the file.")


def test_enable_takes_the_preset_of_a_package(package):
    import torch
    from tiny_pipelines import flux

    import fastflow

    pipe = flux.pipeline()
    assert pipe.dtype == torch.float32
    with fastflow.enable(pipe, policy="unafraid") as accelerated:
        assert accelerated.learning.policy == UCB(gamma=7.0)
