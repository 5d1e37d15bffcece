"""Runs of VBench and GEdit, and what their scorers write, without a video or an edit."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import yaml

PROMPT = "a kite over the sea"
ITEMS: dict[str, dict[str, Any]] = {
    "vbench": {"prompt": PROMPT, "dimension": ["color", "dynamic_degree"]},
    "gedit": {
        "key": "k",
        "task_type": "color",
        "instruction": PROMPT,
        "instruction_language": "en",
    },
}
COLUMNS = ("edited_image", "instruction", "instruction_language")


def results(name: str, run: Path, folder: Path) -> Path:
    """Makes a run that of another benchmark, with one sample, and writes the scorer's results.

    Args:
        name: vbench or gedit.
        run: a copy of the directory of a benchmark's run, which is changed.
        folder: the folder of the results, which is made.
    """
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["names"]["benchmark"] = name
    config["benchmark"] = {"component": name, "repeats": 1}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    first = json.loads((run / "samples.jsonl").read_text().splitlines()[0])
    changed = first | {"prompt": PROMPT, "item": ITEMS[name]}
    (run / "samples.jsonl").write_text(json.dumps(changed) + "\n")
    folder.mkdir()
    return {"vbench": _videos, "gedit": _edits}[name](folder)


def _videos(folder: Path) -> Path:
    video = {"video_path": f"out/skipped/{PROMPT}-0.mp4", "video_results": 0.5}
    path = folder / "color_eval_results.json"
    path.write_text(json.dumps({"color": [0.5, [video]], "dynamic_degree": [1.0, [video]]}))
    return path


def _edits(folder: Path) -> Path:
    path = folder / "model_color_gpt_score.csv"
    row = ["fullset/color/en/k.png", PROMPT, "en", 7, 8]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*COLUMNS, "sementics_score", "quality_score"], row])
    return path
