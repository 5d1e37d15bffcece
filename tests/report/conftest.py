"""Synthetic run directories for the report: complete ones, and ones with something missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fastflow.evaluation.measurement import SampleRow
from fastflow.evaluation.summary import summarise

ARMS = (0, 2, 4, 6)
TASKS = {
    "colours": "a photo of a red circle",
    "counting": "a photo of three squares",
    "position": "a photo of a blue square left of a green circle",
}


@dataclass(frozen=True)
class RunSpec:
    """The properties of a synthetic run."""

    samples: int = 12
    steps: int = 50
    reference: bool = True
    scores: bool = True
    bandit: bool = True
    branches: int = 1
    side: int = 64
    failing: tuple[int, ...] = ()
    prompts: tuple[str, ...] = ()
    identical: tuple[int, ...] = (0,)
    ranking: tuple[str, ...] = ()
    summary: bool = True
    seed: int = 0


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Returns a function that makes a run directory from the fields of a `RunSpec`."""

    def make(name: str = "run", **fields: object) -> Path:
        return build(tmp_path / name, RunSpec(**fields))  # type: ignore[arg-type]

    return make


def build(path: Path, spec: RunSpec) -> Path:
    """Writes a complete run directory."""
    rng = np.random.default_rng(spec.seed)
    (path / "images").mkdir(parents=True)
    rows, records = [], []
    for index in range(spec.samples):
        row = make_row(spec, index, rng)
        rows.append(row)
        records += make_records(spec, row, rng)
        if not row["failure"]:
            draw_images(path, spec, row, rng)
    write_lines(path / "samples.jsonl", rows)
    write_lines(path / "records.jsonl", records)
    (path / "config.yaml").write_text(CONFIG.format(steps=spec.steps), encoding="utf-8")
    versions = {"fastflow": "0.1.0", "torch": "2.13.0", "python": "3.11.7", "device": "cpu"}
    (path / "versions.json").write_text(json.dumps(versions))
    (path / "memory.json").write_text(json.dumps(make_memory(spec, rng)))
    if spec.summary:
        names = {"model": "flux_mini", "policy": "ucb", "extrapolator": "linear"}
        measured = [SampleRow.from_json(row, "a row") for row in rows]
        summary = summarise(measured) | names
        summary |= {"corrector": "interpolate", "steps": spec.steps}
        summary |= {"left_out": ["lpips was left out: no weights."], "warnings": []}
        (path / "summary.json").write_text(json.dumps(summary))
    return path


def make_row(spec: RunSpec, index: int, rng: np.random.Generator) -> dict:
    """Returns one row of samples.jsonl."""
    task = list(TASKS)[index % len(TASKS)]
    prompt = spec.prompts[index] if index < len(spec.prompts) else TASKS[task]
    failed = index in spec.failing
    computed = [] if failed else make_schedule(spec.steps, index, rng)
    share = len(computed) / spec.steps
    psnr = None if index in spec.identical else float(rng.normal(42 - 3 * (1 - share), 5))
    both = {"score": float(rng.random() < 0.9)} if spec.scores else {}
    skipped = {"score": both["score"] * float(rng.random() < 0.92)} if spec.scores else {}
    close = {"psnr_db": psnr, "ssim": 0.99 - 0.1 * rng.random()} if spec.reference else {}
    times = {"encode": 0.11, "denoise": 4.2 * max(share, 0.1) + 0.2, "decode": 0.3}
    change = 0.005 + 0.15 * np.linspace(-1, 1, spec.steps - 1) ** 4 * rng.uniform(0.7, 1.3)
    return {
        "index": index,
        "prompt": prompt,
        "task": task,
        "seed": index,
        "calls": spec.branches * len(computed),
        "calls_full": spec.branches * spec.steps,
        "computed": computed,
        "seconds": times,
        "seconds_full": (times | {"denoise": 4.2}) if spec.reference else None,
        "metrics": {} if failed else skipped | close,
        "metrics_full": both if spec.reference and not failed else None,
        "image": None if failed else f"images/{index:04d}.png",
        "image_full": f"images/{index:04d}_full.png" if spec.reference and not failed else None,
        "failure": "OutOfMemoryError: no memory left" if failed else "",
        "velocity_change": list(change) if spec.reference and index < 4 and not failed else None,
        "a_field_of_tomorrow": {"is": "ignored"},
    }


def make_schedule(steps: int, index: int, rng: np.random.Generator) -> list[int]:
    """Draws computed steps: all of them in the first sample, later more skips in the middle."""
    k, computed = 0, [0]
    while k < steps - 1:
        middle = 1 - abs(2 * k / steps - 1)
        limit = 0 if index == 0 else round(len(ARMS) * min(1, middle + 0.02 * index) - 0.5)
        arm = int(rng.choice(ARMS[: max(1, limit + 1)]))
        k = min(k + arm + 1, steps - 1)
        computed.append(k)
    return computed


def make_records(spec: RunSpec, row: dict, rng: np.random.Generator) -> list[dict]:
    """Returns the rows of records.jsonl of one sample."""
    pairs = zip(row["computed"], row["computed"][1:])
    return [
        {
            "sample": row["index"],
            "step": k,
            "arm": j - k - 1,
            "landing": j,
            "propensity": 0.5,
            "error": float(rng.random() * 0.01),
            "exposure": 0.0,
            "reward": 0.1,
            "taken": True,
        }
        for k, j in pairs
    ]


def make_memory(spec: RunSpec, rng: np.random.Generator) -> dict:
    """Returns the content of memory.json."""
    if not spec.bandit:
        return {"samples": spec.samples, "key": None}
    shape = (spec.steps, len(ARMS))
    count = rng.integers(0, 2 + spec.samples, shape)
    for k in range(spec.steps):
        count[k, [k + m + 1 > spec.steps - 1 for m in ARMS]] = 0
    table = {"count": count.tolist(), "mean": np.where(count, rng.normal(size=shape), 0).tolist()}
    table["m2"] = np.ones(shape).tolist()
    key = {"arms": list(ARMS), "steps": spec.steps}
    head = {"samples": spec.samples, "key": key, "arms": list(ARMS), "steps": spec.steps}
    return head | {"constants": {}, "reward": table, "error": table}


def draw_images(path: Path, spec: RunSpec, row: dict, rng: np.random.Generator) -> None:
    """Draws a scene as the reference, and a noisier copy as the output with skipping."""
    side = spec.side
    image = Image.new("RGB", (side, side), tuple(int(v) for v in rng.integers(150, 255, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(3):
        x, y = rng.integers(0, side // 2, 2)
        colour = tuple(int(v) for v in rng.integers(0, 200, 3))
        pen.ellipse((x, y, x + side // 3, y + side // 3), fill=colour)
    grain = rng.normal(0, 6 if side > 64 else 0, (side, side, 3))
    reference = np.asarray(image) + grain
    skipped = reference + rng.normal(0, 4, reference.shape)
    for name, pixels in ((row["image_full"], reference), (row["image"], skipped)):
        if name:
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path / name)


def write_lines(path: Path, rows: list[dict]) -> None:
    """Writes JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


CONFIG = """steps: {steps}
seed: 0
names:
  policy: ucb
  model: flux_mini
policy:
  component: ucb
  gamma: 0.1
"""
