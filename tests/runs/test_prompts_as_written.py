"""Prompts and paths as people write them: what goes in is what every file of the run holds."""

import html
import json
import shlex
import subprocess
import sys

import pytest

from fastflow.cli import main
from fastflow.registry import load

EVERYDAY = [
    "a cat, sitting on a mat",
    "a dog's house",
    'the word "OPEN" on a shop sign',
    "portrait of an old sailor: weathered, bearded (oil on canvas)",
    "masterpiece, best quality, (cat:1.3), [dog]",
    "a {red|blue} car",
    "50% off!",
    "E = mc^2 on a blackboard",
    "#1 dad mug",
    "a city at night; neon & rain / 35mm",
    "x < y > z",
    "a cat \\(animal\\)",
    "日本の猫",
    "un café à Paris, l'été",
    "a red heart ❤️ and a 🐈",
    "null",
    "true",
    "12",
    "it costs $5, ${oc.env:HOME} or $HOME",
    "  two spaces before, and one after ",
]
QUICK = ["model=mixture", "executor=inline", "policy=every", "steps=4", "metrics=[]"]


def prompts_of(done):
    return [row["prompt"] for row in done.lines("samples.jsonl")]


@pytest.mark.parametrize("prompt", EVERYDAY)
def test_an_everyday_prompt_is_in_every_file_as_it_was_given(sample, prompt):
    done = sample(*QUICK, f"prompt={prompt}", "samples=1", "reference=false")
    assert done.status == 0
    assert prompts_of(done) == [prompt]
    assert load(done.path / "config.yaml")["prompt"] == prompt
    assert prompt in html.unescape((done.path / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", ["txt", "jsonl"])
def test_a_file_of_everyday_prompts_is_taken_line_by_line(sample, tmp_path, form):
    file = tmp_path / f"my prompts, {{v1}} = $x.{form}"
    lines = EVERYDAY if form == "txt" else [json.dumps({"prompt": text}) for text in EVERYDAY]
    file.write_text("\n\n".join(lines) + "\n", encoding="utf-8-sig")
    done = sample(*QUICK, f"prompts={file}", "samples=20", "reference=false")
    assert done.status == 0
    kept = EVERYDAY if form == "jsonl" else [text.strip() for text in EVERYDAY]
    assert prompts_of(done) == kept


def test_a_line_ends_where_the_file_says_and_not_at_rarer_characters(sample, tmp_path):
    lines = ["one\u2028still one", "two\x85still two", "three\x0cstill three"]
    file = tmp_path / "prompts.txt"
    file.write_bytes("\r\n".join(lines).encode())
    done = sample(*QUICK, f"prompts={file}", "samples=3", "reference=false")
    assert prompts_of(done) == lines


def test_a_prompt_that_is_half_a_character_is_refused(sample, tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "a \\ud83d cat"}\n')
    done = sample(*QUICK, f"prompts={file}")
    assert done.status == 2
    assert "line 1, holds half a character: 'a \\ud83d cat'." in done.err


def test_a_shell_hands_a_prompt_over_unchanged(tmp_path):
    prompt, out = 'a dog\'s "house", ${oc.env:HOME}: 猫\nnull', "a run, = $x ${y}"
    words = [*QUICK, "samples=1", "reference=false", f"prompt={prompt}", f"out={out}"]
    line = shlex.join([sys.executable, "-m", "fastflow.cli", "sample", *words])
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [out]
    assert json.loads((tmp_path / out / "samples.jsonl").read_text())["prompt"] == prompt


def test_a_prompt_stays_as_it_is_when_a_run_is_resumed_and_reported(sample, monkeypatch):
    monkeypatch.setenv("SECRET", "hush")
    prompt = "${oc.env:SECRET} {{ prompt }} <b>, ${model.side}"
    done = sample(*QUICK, f"prompt={prompt}", "samples=2", "reference=false", out="a, b ${c} = d")
    samples = done.path / "samples.jsonl"
    samples.write_text(samples.read_text().splitlines()[0] + "\n")
    resumed = sample(f"resume={done.path}")
    assert resumed.status == 0
    assert prompts_of(done) == [prompt, prompt]
    assert main(["report", str(done.path)]) == 0
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert html.escape(prompt, quote=False) in page
    assert "hush" not in page
    assert "hush" not in (done.path / "config.yaml").read_text()


@pytest.mark.parametrize("name", ["a, b", "lr=3", "'x'", "[1]", "${oc.env:HOME}", "猫 🐈", "12"])
def test_files_may_have_any_name(sample, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    first = sample(*QUICK, "policy=ucb", "policy.arms=[0,1]", "samples=2", f"out={name}")
    assert first.status == 0
    assert (tmp_path / name / "summary.json").is_file()
    memory = f"{name}/memory.json"
    second = sample(
        *QUICK, "policy=ucb", "policy.arms=[0,1]", "samples=2", f"memory={memory}", out="second"
    )
    assert second.status == 0
    assert main(["memory", name]) == 0
    assert main(["report", name]) == 0


def test_a_command_in_a_message_can_be_typed_as_it_stands(sample, tmp_path, capsys):
    first = sample(*QUICK, "samples=1", out="it's, a = run")
    assert sample(*QUICK, "samples=1", out="it's, a = run").status == 2
    refused = sample(*QUICK, "samples=1", f"out={first.path}").err
    words = shlex.split(refused.partition("finish that run with: ")[2])
    assert words == ["fastflow", "sample", f"resume={first.path}"]
    assert main(words[1:]) == 0


def test_a_calibration_writes_where_it_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["samples=2", "steps=12", "out=mine, ${x}.yaml", "prompt=a, b: c"]
    assert main(["calibrate", "equal_change", "model=mixture", *words]) == 0
    assert (tmp_path / "mine, ${x}.yaml").is_file()


def test_a_directory_that_cannot_be_made_is_named(sample):
    done = sample(*QUICK, f"out={'x' * 300}")
    assert done.status == 1
    assert "'xxx" in done.err
    assert "File name too long." in done.err
