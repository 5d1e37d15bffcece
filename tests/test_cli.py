"""The command line: help, unknown commands, and commands of plugins."""

import pytest

from fastflow import cli
from fastflow.registry import Command, PluginError, installed


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


def test_a_plugin_cannot_replace_a_command(monkeypatch, capsys):
    taken = Command(lambda words: None, "", "another report")
    monkeypatch.setitem(installed().commands, "report", taken)
    assert cli.main(["report"]) == 1
    assert "a plugin" in capsys.readouterr().err
    with pytest.raises(PluginError, match="report"):
        cli._plugin_commands(installed().commands)
