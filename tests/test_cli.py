"""The command line: help, unknown commands, and commands of plugins."""

import pytest

from fastflow import cli
from fastflow.registry import Command, PluginError, installed
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
