"""Takes the way of the paper's tables with the minis: their prompts, a stand-in for each scorer.

    python experiments/paper_tables/minis.py --out runs/paper_tables --samples 12

Prompts and pictures of the minis' worlds are written in each benchmark's own form; then come
`sample`, `export` and `import-scores` as with real weights. The stand-ins read an export and write
what the official scorers would. They judge by the worlds' rules, so their numbers are not those of
the benchmarks.
"""

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

from fastflow.cli import main as fastflow
from fastflow.registry import build, read
from fastflow.runs import RunSettings
from fastflow.sampling import Request, Video, read_image
from fastflow_plugins.metrics import Edits, Scenes, Videos

SIDES = ("skipped", "full")
GEDIT_COLUMNS = ("source_image", "edited_image", "instruction", "sementics_score")
GEDIT_COLUMNS += ("quality_score", "intersection_exist", "instruction_language")
VBENCH = {  # of the scores of a video in its world
    "subject_consistency": "consistency",
    "motion_smoothness": "smoothness",
    "dynamic_degree": "speed",
}


def write_geneval(prompts, folder):
    """Writes captions as evaluation_metadata.jsonl, and returns its path."""
    rows = ({"tag": p.task, "include": [], "prompt": p.text} for p in prompts)
    return _write_lines(folder / "evaluation_metadata.jsonl", rows)


def write_gedit(prompts, folder):
    """Writes edits as the rows of GEdit-Bench with pictures beside them."""
    rows = []
    for number, prompt in enumerate(prompts):
        key = f"edit{number:03d}"
        prompt.image.save(folder / f"{key}.png")
        row = {"key": key, "task_type": prompt.task, "instruction": prompt.text}
        rows.append(row | {"instruction_language": "en", "input_image": f"{key}.png"})
    return _write_lines(folder / "gedit.jsonl", rows)


def write_vbench(prompts, folder):
    """Writes captions of videos as VBench_full_info.json, and returns its path."""
    rows = [{"prompt_en": prompt.text, "dimension": list(VBENCH)} for prompt in prompts]
    path = folder / "VBench_full_info.json"
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return path


def _write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def score_geneval(side, prompts, out):
    """Writes results as GenEval's evaluate_images.py does."""
    rows = []
    for metadata in sorted(side.glob("*/metadata.jsonl")):
        asked = json.loads(metadata.read_text(encoding="utf-8"))
        for path in sorted(metadata.parent.glob("samples/*.png")):
            scores = Scenes().score(read_image(path), _request(asked["prompt"]))
            row = {"filename": str(path), "tag": asked["tag"], "prompt": asked["prompt"]}
            rows.append(row | {"correct": scores["score"] == 1, "reason": ""})
    return _write_lines(out / f"{side.name}.jsonl", rows)


def score_gedit(side, prompts, out):
    """Writes marks from 0 to 10 as GEdit's test_gedit_score.py does, a file for each task."""
    folder = out / side.name
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(map(json.loads, prompts.read_text(encoding="utf-8").splitlines()))
    for task in sorted({row["task_type"] for row in rows}):
        file = folder / f"{side.name}_{task}_gpt_score.csv"
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow(GEDIT_COLUMNS)
            writer.writerows(_marks(side, row) for row in rows if row["task_type"] == task)
    return folder


def _marks(side, row):
    stem = f"{side}/fullset/{row['task_type']}/en/{row['key']}"
    request = _request(row["instruction"], read_image(Path(f"{stem}_SRCIMG.png")))
    scores = Edits().score(read_image(Path(f"{stem}.png")), request)
    marks = [10 * scores["g_sc"], 10 * scores["g_pq"]]
    return [f"{stem}_SRCIMG.png", f"{stem}.png", row["instruction"], *marks, "True", "en"]


def score_vbench(side, prompts, out):
    """Writes results as VBench's evaluate.py does, with a value for each video."""
    found = {name: [] for name in VBENCH}
    for path in sorted(side.glob("*.mp4")):
        caption = path.stem.rpartition("-")[0]
        scores = Videos().score(Video.read(path), _request(caption))
        for name, own in VBENCH.items():
            found[name].append({"video_path": str(path), "video_results": scores[own]})
    means = {
        name: [sum(video["video_results"] for video in videos) / len(videos), videos]
        for name, videos in found.items()
    }
    path = out / f"{side.name}_eval_results.json"
    path.write_text(json.dumps(means), encoding="utf-8")
    return path


def _request(prompt, image=None):
    return Request(0, prompt, 0, 1, image=image)


@dataclass(frozen=True)
class Benchmark:
    """How the minis take part in a benchmark: who writes its prompts, who stands in as scorer."""

    prompts: object
    score: object


BENCHMARKS = {
    "geneval": Benchmark(write_geneval, score_geneval),
    "gedit": Benchmark(write_gedit, score_gedit),
    "vbench": Benchmark(write_vbench, score_vbench),
}


@dataclass(frozen=True)
class Table:
    """The experiments of a table, and the mini that stands in for their model."""

    model: str
    benchmark: str
    rows: tuple[str, ...]


TABLES = {
    "paper_flux_kontext": Table("kontext_mini", "gedit", ("static", "teacache")),
    "paper_flux_kontext_geneval": Table("flux_mini", "geneval", ("static", "teacache")),
    "paper_bagel": Table("bagel_mini", "geneval", ("static", "easycache")),
    "paper_bagel_gedit": Table("bagel_mini_edit", "gedit", ("static", "easycache")),
    "paper_hunyuan_video": Table("hunyuan_video_mini", "vbench", ("static", "teacache")),
}


def write_prompts(table, folder, samples):
    """Writes a mini's prompts in the form of a benchmark; returns the file."""
    config = read([f"model={table.model}"], "sample", RunSettings)
    folder.mkdir(parents=True, exist_ok=True)
    prompts = build("model", config["model"]).prompts(samples)
    return BENCHMARKS[table.benchmark].prompts(prompts, folder)


def run(name, out, samples=12, words=()):
    """Takes one table the whole way; returns the run directories, by the names of its rows."""
    table = TABLES[name]
    prompts = write_prompts(table, out / name / "prompts", samples)
    found = {}
    for row in ("", *table.rows):
        experiment = f"{name}_{row}" if row else name
        path = found[row or "fastflow"] = out / name / (row or "fastflow")
        own = [f"experiment={experiment}", f"model={table.model}", f"prompts={prompts}"]
        own += [] if table.benchmark == "gedit" else ["benchmark.repeats=1"]
        _command("sample", *own, f"out={path}", *words)
        _score(path, table.benchmark, prompts)
    return found


def _score(path, benchmark, prompts):
    """Exports a run, lets the stand-in judge it, and imports its results."""
    exported, results = (
        path.with_name(f"{path.name}-export"),
        path.with_name(f"{path.name}-scores"),
    )
    _command("export", path, f"out={exported}")
    results.mkdir()
    sides = [side for side in SIDES if (exported / side).is_dir()]
    scored = {s: BENCHMARKS[benchmark].score(exported / s, prompts, results) for s in sides}
    _command("import-scores", path, *(f"{side}={file}" for side, file in scored.items()))


def _command(*words):
    if status := fastflow([str(word) for word in words]):
        raise SystemExit(status)


def table_lines(name, found):
    """Returns a table as Markdown: the scores, the calls, and how many times fewer they are."""
    summary = {row: json.loads((path / "summary.json").read_text()) for row, path in found.items()}
    main = summary["fastflow"]
    shown = [row["name"] for row in main["benchmark"]["rows"] if row["total"]]
    shown = shown or [row["name"] for row in main["benchmark"]["rows"]]
    calls = main["calls_full"]
    lines = [f"| {name}, {TABLES[name].model} | {' | '.join(shown)} | calls | fewer calls |"]
    lines.append("| --- " * (len(shown) + 3) + "|")
    lines.append(_line("full, 50 steps", main, "full", shown, calls, calls))
    for row, own in summary.items():
        lines.append(_line(row, own, "skipped", shown, own["calls_mean"], calls))
    return lines


def _line(label, summary, side, shown, calls, of):
    rows = {row["name"]: row[side][0] for row in summary["benchmark"]["rows"]}
    scores = " | ".join(f"{rows[name]:.3f}" for name in shown)
    return f"| {label} | {scores} | {calls:.1f} | {of / calls:.2f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a new folder for runs and table")
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--only", choices=TABLES, nargs="+", default=list(TABLES))
    parser.add_argument("words", nargs="*", help="further settings of `fastflow sample`")
    asked = parser.parse_args()
    lines = []
    for name in asked.only:
        found = run(name, asked.out, asked.samples, asked.words)
        lines += [*table_lines(name, found), ""]
    (asked.out / "table.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
