"""Seeded changes to every kind of file that a command opens, each with a command that opens it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import interrupted_training
import official_files
import pyarrow as pa
from file_changes import change_file
from mutations import COMPARISON, RUN
from PIL import Image
from pyarrow import parquet

from fastflow_minis.zoo import MINIS, folder

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
    """Copies a run, a sweep or a comparison; returns one of its files and a command."""
    kinds = ("run", "run", "run", "geneval", "comparison", "comparison", "sweep", "sweep")
    kind = draw.choice(kinds)
    copy = shutil.copytree(sources[kind], here / "it")
    if draw.random() < 0.15:  # beside others, of which it is left out
        Path(here / "good").symlink_to(sources[draw.choice(kinds)])
    files = sorted(p for p in copy.rglob("*") if p.is_file() and p.name != "report.html")
    texts = [p for p in files if p.suffix in (".json", ".jsonl", ".yaml", ".safetensors")]
    if kind == "sweep" and draw.random() < 0.4:
        texts = [copy / "sweep.json"]
    path = draw.choice(texts if draw.random() < 0.9 else files)
    return path, _opening(draw, kind, str(copy))


def _opening(draw: random.Random, kind: str, name: str) -> Words:
    """Returns a command line that opens a directory."""
    study = ["study", name, *(["good"] if Path("good").exists() else []), "out=studied"]
    if kind == "sweep" or len(study) > 3:
        return draw.choice([study, study, ["sample", f"resume={name}"]])
    if kind == "comparison":
        several = [["compare", f"resume={name}"], ["report", name], study]
        return draw.choice([*several, ["pool", name, name, "out=pooled"]])
    several = [["sample", f"resume={name}"], ["report", name]]
    if kind == "geneval":
        Path("results.jsonl").write_text(RESULTS)
        several += [["export", name, "out=exported"]] * 2
        several += [["import-scores", name, "skipped=results.jsonl", "partial=true"]] * 2
        return draw.choice(several)
    several += [study, ["memory", name], ["sample", f"resume={name}", "force=true"]]
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


def dataset(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Returns a dataset with pictures: Parquet or Arrow, itself or in a folder."""
    table = pa.table({name: [str(value)] * 2 for name, value in json.loads(EDITS).items()})
    if draw.random() < 0.8:
        Image.new("RGB", (8, 8)).save(here / "a.png")
        pictures = [{"bytes": (here / "a.png").read_bytes(), "path": "a.png"}] * 2
        table = table.set_column(4, "input_image", [pictures])
    path = here / "data" / draw.choice(("a.parquet", "a.arrow"))
    path.parent.mkdir()
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    words = ["sample", *FEW, "policy=every", "out=out", "benchmark=gedit", "samples=1"]
    return path, [*words, f"prompts={draw.choice((path, path.parent))}"]


def checkpoint(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Returns what an interrupted training saved."""
    path, words = recipe(draw, sources, here)
    return interrupted_training.checkpoint(path.parent), words


def official(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[Path, Words]:
    """Returns the results of VBench's or GEdit's scorer."""
    name = draw.choice(("vbench", "gedit"))
    copy = shutil.copytree(sources["geneval"], here / "it")
    path = official_files.results(name, copy, here / "scores")
    given = draw.choice((path, path.parent))
    words = ["import-scores", str(copy), f"{draw.choice(('skipped', 'full'))}={given}"]
    return path, [*words, f"partial={draw.choice(('true', 'false'))}"]


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
    name = draw.choice(list(MINIS))
    copy = shutil.copytree(folder(name), here / name, copy_function=os.link)
    files = sorted(p for p in copy.rglob("*") if p.is_file())
    settings = [path for path in files if path.name.endswith("config.json")]
    path = draw.choice(settings if draw.random() < 0.5 else files)
    content = path.read_bytes()
    path.unlink()  # it is the installed file itself
    path.write_bytes(content)
    Image.new("RGB", (64, 64)).save(here / "a.png")
    image = [f"image={here / 'a.png'}"] if name == "kontext_mini" else []
    return path, ["sample", f"model={name}", f"model.path={copy}", *ONE, *image, "out=out"]


Making = Callable[[random.Random, dict[str, Path], Path], tuple[Path, Words]]
ALONE: tuple[Making, ...] = (
    prompts, picture, preset, memory, benchmark, dataset, scores, official, holder, recipe,
    checkpoint, weights,
)  # fmt: skip


def changed(draw: random.Random, sources: dict[str, Path], here: Path) -> tuple[str, Words]:
    """Changes a file; returns which and how, and the words of a command that opens it.

    Args:
        draw: chooses all of it.
        sources: a finished ``run``, ``comparison`` and ``sweep``, and a benchmark's, ``geneval``.
        here: an empty folder.
    """
    make = in_directory if draw.random() < 0.5 else draw.choice(ALONE)
    path, words = make(draw, sources, here)
    return f"{change_file(draw, path)} {path.relative_to(here)}", words
