"""Damaged and hostile files, each with the command that opens it: the cases of a page."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import yaml

SAMPLE = "sample model=mixture executor=inline metrics=[] steps=4 out=out"
LOAD = "sample model=flux_mini model.path=./flux_mini executor=inline prompt=x out=out"
# file, what becomes of it (a path of a value and what it is now, or one of WAYS), command
DAMAGED = (
    ("run/samples.jsonl", "line 1 is {}", "report run"),
    ("run/samples.jsonl", "line 1 is [1]", "report run"),
    ("run/samples.jsonl", "line 1 is cut in half", "report run"),
    ("run/samples.jsonl", 'index is "x"', "report run"),
    ("run/samples.jsonl", 'image is "/etc/passwd"', "report run"),
    ("run/samples.jsonl", "a number has 5000 digits", "sample resume=run"),
    ("run/samples.jsonl", "is a link to /etc/hostname", "report run"),
    ("run/records.jsonl", "step is -1", "sample resume=run"),
    ("run/records.jsonl", "is a pipe", "sample resume=run"),
    ("run/config.yaml", "is missing", "sample resume=run"),
    ("run/config.yaml", "is not UTF-8", "sample resume=run"),
    ("run/config.yaml", "is nested 60 levels deep", "sample resume=run"),
    ("run/config.yaml", 'steps is "${oc.env:HOME}"', "sample resume=run"),
    ("run/config.yaml", "steps is 4", "sample resume=run"),
    ("run/config.yaml", 'policy.component is "os.system"', "sample resume=run"),
    ("run/inputs.json", "requests is 5", "sample resume=run"),
    ("run/memory.json", "samples is -1", "memory run"),
    ("run/memory.json", "is a pipe", f"{SAMPLE} memory=run/memory.json"),
    ("comparison/config.yaml", "targets is [1000]", "compare resume=comparison"),
    ("comparison/rows/uniform-at-5.json", "is [1]", "report comparison"),
    ("comparison/rows/uniform-at-5.json", "is not UTF-8", "compare resume=comparison"),
    ("prompts.txt", "is empty", f"{SAMPLE} prompts=prompts.txt"),
    ("prompts.txt", "is a pipe", f"{SAMPLE} prompts=prompts.txt"),
    ("prompts.txt", "is not UTF-8", f"{SAMPLE} prompts=prompts.txt"),
    ("prompts.jsonl", 'is {"prompt": 5}', f"{SAMPLE} prompts=prompts.jsonl"),
    ("prompts.jsonl", r'is {"prompt": "\ud800"}', f"{SAMPLE} prompts=prompts.jsonl"),
    ("metadata.jsonl", 'is {"tag": 5}', f"{SAMPLE} prompts=metadata.jsonl benchmark=geneval"),
    ("picture.png", "is not UTF-8", f"{SAMPLE} prompt=x image=picture.png"),
    ("flux_mini/model_index.json", 'transformer is ["os", "system"]', LOAD),
    ("flux_mini/transformer/config.json", "is cut in half", LOAD),
    ("flux_mini/text_encoder/config.json", "num_hidden_layers is 1000000", LOAD),
    ("flux_mini/vae/config.json", 'scaling_factor is "0.5"', LOAD),
    ("flux_mini/tokenizer/tokenizer_config.json", "is missing", LOAD),
    ("training/recipe.json", "is [1]", "train-mini flux_mini out=training resume=true"),
    (
        "training/recipe.json",
        'is {"mini": "flux_mini", "steps": "many"}',
        "train-mini flux_mini out=training resume=true",
    ),
    ("conf/policy/mine.yaml", "is a: b: c", f"{SAMPLE} --config-dir conf policy=mine"),
    (
        "conf/policy/mine.yaml",
        "is {_target_: os.system}",
        f"{SAMPLE} --config-dir conf policy=mine",
    ),
)


def damage(path: Path, become: str) -> None:
    """Lets a file become what a sentence says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if become in WAYS:
        WAYS[become](path)
    elif become.startswith("is a link to "):
        path.unlink()
        path.symlink_to(become.removeprefix("is a link to "))
    elif become.startswith("is "):
        path.write_text(become.removeprefix("is ") + "\n")
    elif become.startswith("line 1 is "):
        _, *rest = path.read_text().splitlines(keepends=True)
        path.write_text("".join([become.removeprefix("line 1 is ") + "\n", *rest]))
    else:
        _set(path, *become.split(" is ", 1))


def _set(path: Path, name: str, value: str) -> None:
    """Replaces a value by its dotted name: in YAML, in JSON, or in the first of its lines."""
    first, *rest = [path.read_text()] if path.suffix != ".jsonl" else path.read_text().splitlines()
    content = inner = yaml.safe_load(first)
    *parts, last = name.split(".")
    for part in parts:
        inner = inner[part]
    inner[last] = json.loads(value)
    changed = yaml.safe_dump(content) if path.suffix == ".yaml" else json.dumps(content)
    path.write_text("\n".join([changed, *rest]) + "\n")


def _many_digits(path: Path) -> None:
    path.write_text(re.sub(r"\d+", "9" * 5000, path.read_text(), count=1))


def _cut(path: Path) -> None:
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first[: len(first) // 2] + "\n", *rest]))


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


WAYS = {
    "line 1 is cut in half": _cut,
    "a number has 5000 digits": _many_digits,
    "is a pipe": _pipe,
    "is cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "is missing": lambda path: path.unlink(),
    "is empty": lambda path: path.write_bytes(b""),
    "is not UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "is nested 60 levels deep": lambda path: path.write_text(json.dumps({"a": _nested(60)})),
}


def _nested(levels: int) -> list:
    return [_nested(levels - 1)] if levels else []
