"""The command line: help, unknown commands, and commands of plugins."""

import shlex
import subprocess
import sys
from dataclasses import fields

import pytest

from fastflow import cli
from fastflow.commands import help_texts
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.registry import Command, PluginError, installed
from fastflow.registry.applications.plugin_commands import listed_commands
from fastflow.runs import RunSettings
from fastflow.words import paths_and_options


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(words, capsys):
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    for name in (*cli.COMMANDS, *installed().commands):
        assert f"fastflow {name}" in shown


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_of_a_command_is_its_usage_and_runs_nothing(word, capsys):
    assert cli.main(["train-mini", "flux_mini", word]) == 0
    shown = capsys.readouterr().out
    assert "fastflow train-mini NAME [key=value ...]" in shown
    assert "fastflow sample [" not in shown


def test_an_unknown_command_is_refused_with_the_help(capsys):
    assert cli.main(["smaple"]) == 2
    assert "there is no command 'smaple'." in capsys.readouterr().err


@pytest.mark.parametrize("command", ["sample", "report", "train-mini"])
def test_bytes_that_are_no_text_are_refused(command, capsys):
    assert cli.main([command, "prompt=caf\udce9"]) == 2
    message = "'prompt=caf\\udce9' holds bytes that are not UTF-8. Give it in UTF-8."
    assert f"fastflow {command}: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["runs, of = may", "lr=3", "'x'", "${oc.env:HOME}", "[a]", "猫"])
def test_a_path_among_the_words_may_hold_anything(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / path).mkdir()
    words = [path, "out=a=b, ${c}"]
    assert paths_and_options(words, "", ("out",)) == ([path], {"out": "a=b, ${c}"})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "oot=x"], "there is no setting `oot`. Usage: fastflow export"),
        (["run", "out="], "`out` is empty. Usage: fastflow export"),
        (["", "out=x"], "usage: fastflow export"),
    ],
)
def test_a_word_that_is_neither_path_nor_setting_is_refused(words, message, capsys):
    assert cli.main(["export", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_plugin_cannot_replace_a_command(monkeypatch, capsys):
    taken = Command(lambda words: None, "", "another report")
    monkeypatch.setitem(installed().commands, "report", taken)
    assert cli.main(["report"]) == 1
    assert "a plugin" in capsys.readouterr().err
    with pytest.raises(PluginError, match="report"):
        cli._plugin_commands(installed().commands)


LIGHT = "import sys; from fastflow.cli import main; main(['--help']); print(*sys.modules)"


def test_help_waits_for_no_heavy_package():
    words = [sys.executable, "-c", LIGHT]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    loaded = {name.partition(".")[0] for name in shown.split()}
    assert "pluggy" in loaded
    assert not loaded & {"torch", "hydra", "omegaconf", "numpy", "pydantic", "matplotlib"}


def test_help_lists_the_commands_that_plugins_have():
    assert listed_commands().keys() == installed().commands.keys()


@pytest.mark.parametrize("name", ["sample", "compare", "calibrate"])
def test_help_of_an_application_explains_groups_and_settings(name, command):
    shown = command(name, "policy=ucb", "--help").out
    assert f"fastflow {name} [-m] " in shown
    for text in ("-m, --multirun", "--cfg job|hydra|all", "  model=flux_mini", "  experiment  "):
        assert text in shown
    own = ComparisonSettings if name == "compare" else RunSettings
    for field in fields(own):
        assert f"\n  {field.name} " in shown
    assert all(len(line) < 160 for line in shown.splitlines())


@pytest.mark.parametrize("name", ["sample", "compare", "calibrate"])
def test_every_setting_of_an_example_in_a_help_text_is_one(name, command):
    for line in help_texts.TRY[name]:
        words = shlex.split(line)[2:]
        if not any(word.startswith("resume=") for word in words) and "-m" not in words:
            assert command(name, *words, "--cfg").status == 0, line


@pytest.mark.parametrize("words", [["--cfg"], ["--cfg", "job"], ["-c=job"], ["--cfg=job", "-m"]])
def test_cfg_prints_the_configuration_of_a_run(words, command):
    plain = command("sample", "--cfg", "policy=uniform").out
    assert command("sample", *words, "policy=uniform").out == plain
    assert "hydra" not in plain


def test_cfg_prints_hydras_settings_too(command):
    shown = command("sample", "--cfg", "all", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3")
    assert shown.status == 0, shown.err
    assert "component: ucb" in shown.out
    assert "n_jobs: 3" in shown.out
    assert "output_subdir: null" in shown.out


@pytest.mark.parametrize(
    ("what", "text"), [("searchpath", "pkg://hydra.conf"), ("defaults-tree", "policy: uniform")]
)
def test_info_prints_what_a_configuration_is_composed_of(what, text):
    words = [sys.executable, "-m", "fastflow.cli", "sample", "--info", what, "policy=uniform"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, timeout=100).stdout
    assert text in shown


COMPLETED = {
    "fastflow comp": ["compare"],
    "fastflow sample policy=ucb": ["ucb", "ucb_ahead", "ucb_paper", "ucb_released"],
    "fastflow sample -m policy=never,ucb_p": ["never,ucb_paper"],
    "fastflow sample policy=ucb policy.reward.m": ["policy.reward.mu="],
    "fastflow sample policy.rew": ["policy.reward."],
    "fastflow compare tar": ["targets="],
    "fastflow sample --cfg hy": ["hydra"],
    "fastflow sample --conf": ["--config-dir"],
    "fastflow sample hydra/launcher=ba": ["basic"],
    "fastflow sample policy=nonsense st": [],
    "fastflow report ": [],
}


@pytest.mark.parametrize("line", COMPLETED)
def test_words_are_completed(line, monkeypatch, command):
    monkeypatch.setenv("COMP_LINE", line + " and more")
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    done = command("--shell-completion", "query=bash")
    assert done.out.split() == COMPLETED[line]


def test_bash_completes_with_what_is_installed(command):
    script = command("--shell-completion", "install=bash").out
    fake = 'fastflow() { echo "$COMP_LINE/$COMP_POINT/$2"; }\n'
    ask = 'COMP_LINE="fastflow sam" COMP_POINT=12; _fastflow_words; echo "${COMPREPLY[0]}"'
    done = subprocess.run(
        ["bash", "-c", fake + script + ask], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "fastflow sam/12/query=bash\n", done.stderr
    assert command("-sc", "install=csh").status == 2


def test_a_number_of_more_digits_than_python_reads_is_named(command):
    done = command("sample", "model=mixture", f"samples={'9' * 5000}")
    assert done.status == 2
    assert done.err == "fastflow sample: `samples` holds a number of more than 4000 digits.\n"
