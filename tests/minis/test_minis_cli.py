"""`fastflow train-mini`: what it starts, and what it refuses."""

from pathlib import Path

import pytest

import fastflow_minis
from fastflow.cli import main
from fastflow_minis import MINIS

REFUSALS = [
    ([], "usage: fastflow train-mini NAME [out=FOLDER]"),
    (["fluks"], "`name` must be one of flux_mini"),
    (["flux_mini", "steps"], "'steps' is not of the form key=value. usage:"),
    (["flux_mini", "stepz=3"], "there is no setting 'stepz'. Settings: seed, steps, batch"),
    (["flux_mini", "steps=many"], "`steps` must be a whole number such as 6000, got 'many'."),
    (["flux_mini", "steps=1.5"], "`steps` must be a whole number such as 6000, got 1.5."),
    (["flux_mini", "rate=fast"], "`rate` must be a number such as 0.0015, got 'fast'."),
    (["flux_mini", "steps=0"], "`steps` must be at least 1, got 0."),
    (["flux_mini", "steps=[1"], "`steps` must be a whole number such as 6000, got '[1'."),
    (["flux_mini", "out="], "`out` is empty. Give a folder, or leave it out."),
    (["flux_mini", "resume=maybe"], "`resume` must be true or false, got 'maybe'."),
    (["flux_mini", "dropout=1"], "`dropout` must be in [0, 1), got 1."),
]


@pytest.mark.parametrize(("words", "message"), REFUSALS, ids=lambda v: " ".join(v)[:30])
def test_a_refusal_says_what_is_wrong(words, message, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train-mini", *words]) == 2
    assert f"fastflow train-mini: {message}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out", ["12", "null", "a: b", "[x], 'y'", "${oc.env:HOME}", "a=b", " "])
def test_the_folder_may_have_any_name(out, monkeypatch):
    made = []
    train = lambda name, path, **options: made.append(path)  # noqa: E731
    monkeypatch.setattr(fastflow_minis, "train", train, raising=False)
    assert main(["train-mini", "flux_mini", f"out={out}", "device=a: b"]) == 0
    assert made == [Path(out)]


@pytest.mark.parametrize("name", MINIS)
def test_it_trains_with_what_was_said_and_prints_where(name, monkeypatch, capsys):
    calls = []
    train = lambda *words, **options: calls.append((words, options)) or "there"  # noqa: E731
    monkeypatch.setattr(fastflow_minis, "train", train, raising=False)
    assert main(["train-mini", name, "out=here", "resume=true", "steps=3", "rate=1"]) == 0
    ((words, options),) = calls
    assert (words[0], str(words[1])) == (name, "here")
    assert options == {"device": "cpu", "resume": True, "steps": 3, "rate": 1}
    assert capsys.readouterr().out == "there\n"
