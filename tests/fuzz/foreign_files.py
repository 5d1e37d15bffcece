"""Seeded changes to every kind of file that a command opens, each with a command that opens it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from file_changes import change_file
from mutations import COMPARISON, RUN
from PIL import Image

from fastflow_minis.zoo import folder

Words = Sequence[str]
BENCHMARKS = Path(__file__).parents[1] / "data" / "benchmarks"
FEW = ("model=mixture", "executor=inline", "executor.progress=false", "metrics=[]", "steps=4")
ONE = (*FEW[1:], "samples=1", "reference=false", "policy=every", "prompt=a cat")
PRESETS = {
    "policy": "component: ucb\ngamma: 0.1\narms: [0, 2]\nreward: {component: paper, scale: 1.0}\n",
    "method": "component: skipping\npolicy: {component: uniform}\nturns: computed_steps\n",
    "model": "component: mixture\nmodes: 3\nspread: 0.2\n",
}
RECIPE = {"mini": "flux_mini", "seed": 0, "steps": 3, "batch": 2, "rate": 0.1, "muon_rate": None}
TABLE = (
    "edited_image,instruction,instruction_language,sementics_score,quality_score\n"
    "fullset/color/en/a.png,make it red,en,7,8\n"
)
HOLDER = '{"host": "elsewhere", "pid": 99999999, "command": "sample", "since": "now"}\n'
EDITS = (
    '{"key": "a", "task_type": "color", "instruction": "make it red", '
    '"instruction_language": "en", "input_image": "a.png"}\n'
)
RESULTS = '{"filename": "00000/samples/0000.png", "correct": true}\n'


def in_directory(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Copies a run, a benchmark's run or a comparison; returns one of its files and a command."""
    kind = draw.choice(("run", "run", "run", "geneval", "comparison", "comparison"))
    copy = shutil.copytree(sources[kind], here / "it")
    files = sorted(p for p in copy.rglob("*") if p.is_file() and p.name != "report.html")
    texts = [p for p in files if p.suffix in (".json", ".jsonl", ".yaml", ".safetensors")]
    path = draw.choice(texts if draw.random() < 0.9 else files)
    return path, _opening(draw, kind, str(copy))


def _opening(draw: random.Random, kind: str, name: str) -> Words:
    """Returns a command line that opens a directory."""
    if kind == "comparison":
        several = [["compare", f"resume={name}"]] * 2 + [["report", name]]
        return draw.choice([*several, ["pool", name, name, "out=pooled"]])
    several = [["sample", f"resume={name}"], ["report", name]]
    if kind == "geneval":
        Path("results.jsonl").write_text(RESULTS)
        several += [["export", name, "out=exported"]] * 2
        several += [["import-scores", name, "skipped=results.jsonl", "partial=true"]] * 2
        return draw.choice(several)
    several += [["memory", name], ["sample", f"resume={name}", "force=true"]]
    return draw.choice([*several, ["sample", *RUN, "out=out", f"memory={name}/memory.json"]])


def prompts(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    path = here / draw.choice(("prompts.txt", "prompts.jsonl"))
    lines = "a cat\na dog\n\na cat, asleep\n"
    rows = '{"prompt": "a cat", "task": "pets"}\n{"prompt": "a dog", "image": "a.png"}\n'
    path.write_text(rows if path.suffix == ".jsonl" else lines)
    Image.new("RGB", (8, 8)).save(here / "a.png")
    return path, ["sample", *FEW, "out=out", f"prompts={path}"]


def picture(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    path = here / draw.choice(("a.png", "a.jpg", "a.webp"))
    Image.new("RGB", (8, 8), (99, 1, 7)).save(path)
    return path, ["sample", *FEW, "samples=1", "out=out", "prompt=a cat", f"image={path}"]


def preset(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    kind = draw.choice(list(PRESETS))
    path = here / "conf" / kind / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(PRESETS[kind])
    words = {
        "policy": ["sample", *RUN, "policy=mine"],
        "method": ["compare", *COMPARISON, "methods=[euler,mine]"],
        "model": ["sample", *RUN, "model=mine"],
    }
    return path, [*words[kind], "out=out", "--config-dir", str(here / "conf")]


def memory(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    path = shutil.copy(sources["run"] / "memory.json", here / "memory.json")
    opening = ["memory", str(path)], ["sample", *RUN, "out=out", f"memory={path}"]
    return Path(path), draw.choice(opening)


def benchmark(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Returns the prompts of one of the benchmarks."""
    name = draw.choice(("geneval", "vbench", "gedit"))
    own = {"geneval": "evaluation_metadata.jsonl", "vbench": "VBench_full_info.json"}
    path = here / own.get(name, "edits.jsonl")
    path.write_text((BENCHMARKS / own[name]).read_text() if name in own else EDITS)
    Image.new("RGB", (8, 8)).save(here / "a.png")
    words = ["sample", *FEW, "policy=every", "out=out", f"benchmark={name}", "samples=1"]
    return path, [*words, f"prompts={path}"]


def scores(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Returns a scorer's results."""
    copy = shutil.copytree(sources["geneval"], here / "it")
    path = here / "results.jsonl"
    path.write_text(RESULTS * draw.choice((1, 1, 2)))
    words = ["import-scores", str(copy), f"{draw.choice(('skipped', 'full'))}={path}"]
    return path, [*words, f"partial={draw.choice(('true', 'true', 'false'))}"]


def holder(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Returns the name of a process that held a directory and was killed."""
    copy = shutil.copytree(sources["run"], here / "it")
    path = copy / ".lock.json"
    path.write_text(HOLDER)
    return path, draw.choice((["report", str(copy)], ["sample", f"resume={copy}"]))


def recipe(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Returns the recipe of a training that was interrupted."""
    path = here / "training" / "recipe.json"
    path.parent.mkdir()
    path.write_text(json.dumps(RECIPE))
    return path, ["train-mini", "flux_mini", f"out={path.parent}", "resume=true"]


def weights(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Returns a file of a small model's folder: configurations, tokenizers, weights."""
    name = draw.choice(("flux_mini", "flux_mini", "bagel_mini"))
    copy = shutil.copytree(folder(name), here / name, copy_function=os.link)
    path = draw.choice(sorted(p for p in copy.rglob("*") if p.is_file()))
    content = path.read_bytes()
    path.unlink()  # it is the installed file itself
    path.write_bytes(content)
    return path, ["sample", f"model={name}", f"model.path={copy}", *ONE, "out=out"]


Making = Callable[[random.Random, dict[str, Path], Path], tuple[Path, Words]]
ALONE: tuple[Making, ...] = (
    prompts, picture, preset, memory, benchmark, scores, holder, recipe, weights,
)  # fmt: skip


def changed(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[str, Words]:
    """Changes a file; returns which and how, and the words of a command that opens it.

    Args:
        draw: chooses all of it.
        sources: a finished ``run``, one of a benchmark, ``geneval``, and a ``comparison``.
        here: an empty folder.
    """
    make = in_directory if draw.random() < 0.5 else draw.choice(ALONE)
    path, words = make(draw, sources, here)
    return f"{change_file(draw, path)} {path.relative_to(here)}", words
