"""Runs `fastflow sample` in this process, on the mixture, without Lightning."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_pipelines import hunyuan_video

from fastflow.cli import main

VIDEO = {"frames": 5, "height": 16, "width": 32, "fps": 8, "max_sequence_length": 16}


@dataclass
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str
    path: Path

    def json(self, name):
        return json.loads((self.path / name).read_text())

    def lines(self, name):
        return [json.loads(line) for line in (self.path / name).read_text().splitlines()]


@pytest.fixture
def sample(tmp_path, capsys):
    """Returns a function that runs `fastflow sample` with overrides into a new folder."""

    def run(*overrides, out="run", defaults=("model=mixture", "executor=inline", "samples=6")):
        path = tmp_path / out
        own = [] if any(o.startswith("resume=") for o in overrides) else [f"out={path}"]
        given = {o.partition("=")[0] for o in overrides}
        rest = [d for d in defaults if d.partition("=")[0] not in given and own]
        status = main(["sample", *rest, *own, *overrides])
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err, path)

    return run


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Returns overrides that choose a tiny model of videos."""
    folder = tmp_path_factory.mktemp("video")
    hunyuan_video.pipeline().save_pretrained(folder)
    options = VIDEO | {"path": folder, "prompt_template": "video: {}"}
    settings = [f"model.{name}={value}" for name, value in options.items()]
    return ["model=hunyuan_video", *settings, "steps=10", "policy=every", "prompt=a cat"]
