"""Artifacts for W&B: what was learned, the plan, the report and the run directory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastflow_plugins.observers.wandb_tables import run_rows

_LEFT_OUT = (".lock", "wandb", "converged.safetensors")  # beginnings of names, in a run directory
_MEDIA = (".png", ".mp4")


def run_artifacts(run: Any, run_dir: Path, kind: str, learned: str, images: int) -> Iterator[Any]:
    """Yields the artifact of a kind, if the run directory has what belongs into it.

    Artifacts of one name are versions of each other: those of a memory or a plan are named after
    the model and the policy, the others after the run.

    Args:
        run: the run of W&B.
        run_dir: the run directory.
        kind: memory, plan, report or directory.
        learned: names what was learned: the model and the policy.
        images: the number of samples, from the first on, whose outputs are in the directory's.
    """
    if kind == "memory":
        yield from _of_file(kind, learned, run_dir / "memory.json")
    elif kind == "plan" and (run_dir / "samples.jsonl").is_file():
        yield from _of_file(kind, learned, _write_plan(run_dir, Path(run.dir) / "plan.json"))
    elif kind == "report":
        yield from _of_file(kind, run.id, run_dir / "report.html")
    elif kind == "directory":
        yield _of_directory(run.id, run_dir, images)


def _of_file(kind: str, what: str, path: Path) -> Iterator[Any]:
    if path.is_file():
        artifact = _new(kind, what)
        _add(artifact, path, path.name)
        yield artifact


def _of_directory(what: str, run_dir: Path, images: int) -> Any:
    """Returns an artifact of a run directory, with the outputs of the first samples."""
    artifact = _new("directory", what)
    for path in sorted(run_dir.rglob("*")):
        name = path.relative_to(run_dir).as_posix()
        if not path.is_file() or path.is_symlink() or name.startswith(_LEFT_OUT):
            continue
        if path.suffix not in _MEDIA or _index(path) < images:
            _add(artifact, path, name)
    return artifact


def _index(path: Path) -> int:
    """Returns the number of the sample that an output's file belongs to."""
    found = re.search(r"(\d{4,})(_full|_source)?$", path.stem)
    return int(found[1]) if found else 0


def _write_plan(run_dir: Path, path: Path) -> Path:
    """Writes which steps the last sample computed: with ``policy=listed``, they are a plan."""
    done = [row for row in run_rows(run_dir) if not row.failure]
    if done:
        content = {"sample": done[-1].index, "computed": list(done[-1].computed)}
        path.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return path


def _new(kind: str, what: str) -> Any:
    import wandb

    return wandb.Artifact(re.sub(r"[^\w.-]+", "_", f"{kind}-{what}"), kind)


def _add(artifact: Any, path: Path, name: str) -> None:
    """Adds a file that stays where it is, so that an offline run does not double it."""
    artifact.add_file(str(path), name=name, policy="immutable", skip_cache=True)
