"""Reads a run directory, and notes what is missing or truncated in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastflow.evaluation.measurement import SampleRow
from fastflow.evaluation.summary import LAST, summarise
from fastflow.report.entry import Entry
from fastflow.sampling.foreign import (
    RecordLine,
    StepNumber,
    check_inside,
    check_memory,
    check_schema,
    parse_json,
    parse_yaml,
    read_bounded,
)
from fastflow.sampling.foreign.stored_summary import StoredSummary
from fastflow.sampling.media import VIDEO
from fastflow.sampling.storage import read_objects


@dataclass(frozen=True)
class RunContent:
    """The content of a run directory.

    Args:
        path: the directory.
        entries: the samples, in the order of their indices.
        summary: the numbers over all samples.
        recent: the same numbers over the last 20 samples that did not fail.
        config: the resolved configuration, as the text of its file.
        settings: the configuration as a mapping.
        versions: the versions of packages and platform, and the device.
        records: the observations, with the decisions among them.
        memory: the content of memory.json.
        notes: remarks on missing or truncated files.
    """

    path: Path
    entries: tuple[Entry, ...]
    summary: Mapping[str, Any]
    recent: Mapping[str, Any]
    config: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """The number T of time steps."""
        steps = self.summary.get("steps") or self.settings.get("steps")
        last = max((entry.computed[-1] for entry in self.entries if entry.computed), default=0)
        return max(int(steps or 0), last + 1)

    @property
    def good(self) -> tuple[Entry, ...]:
        """The samples that did not fail."""
        return tuple(entry for entry in self.entries if not entry.failure)

    @property
    def outputs(self) -> str:
        """The kind of the samples' outputs: ``images`` or ``videos``."""
        names = (str(entry.row.image) for entry in self.entries)
        return "videos" if any(name.endswith(VIDEO) for name in names) else "images"

    @property
    def branches(self) -> float:
        """The network calls per computed step; more than 1 where guidance has several branches."""
        ratios = [entry.calls / len(entry.computed) for entry in self.good if entry.computed]
        return sum(ratios) / len(ratios) if ratios else 1.0

    def number(self, name: str, recent: bool = False) -> float | None:
        """Returns a number of the summary; None if it was not measured."""
        value = (self.recent if recent else self.summary).get(name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)

    def interval(self, name: str, recent: bool = False) -> tuple[float, float] | None:
        """Returns the 95 % interval of a number; None if it has none or there is one sample."""
        bounds = ((self.recent if recent else self.summary).get("intervals") or {}).get(name)
        if (
            len(self.good) < 2
            or not bounds
            or any(b is None or not math.isfinite(b) for b in bounds)
        ):
            return None
        return float(bounds[0]), float(bounds[1])


def load_run(path: Path) -> RunContent:
    """Reads a run directory; files that are missing are noted.

    Raises:
        ValueError: if it is not a run directory, or a file does not have the expected content.
    """
    check_run_dir(path)
    notes: list[str] = []
    lines = _lines(path / "samples.jsonl", notes)
    rows = sorted((SampleRow.from_json(row, where) for where, row in lines), key=lambda r: r.index)
    entries = tuple(map(Entry, rows))
    text = read_bounded(path / "config.yaml", str(path / "config.yaml"), "a run directory")
    good = [entry.row for entry in entries if not entry.failure]
    return RunContent(
        path=path,
        entries=entries,
        summary=_summary(path, entries, notes),
        recent=summarise(good[-LAST:]),
        config=text,
        settings=_mapping(path / "config.yaml", text),
        versions=_json(path / "versions.json", _check_versions, notes),
        records=list(_records(path, notes)),
        memory=_json(path / "memory.json", check_memory, notes),
        notes=tuple(notes),
    )


def check_run_dir(path: Path) -> None:
    """Raises a ValueError unless a path has the files of a run directory."""
    if not path.is_dir():
        kind = "is a file" if path.exists() else "does not exist"
        raise ValueError(
            f"`run_dir` '{path}' {kind}. Give the directory that `fastflow sample` printed."
        )
    missing = [name for name in ("config.yaml", "samples.jsonl") if not (path / name).is_file()]
    if missing:
        raise ValueError(
            f"`run_dir` '{path}' is not a run directory: it has no {' and no '.join(missing)}. "
            "Give the directory that `fastflow sample` printed, or make one with it."
        )
    check_inside(path)


def _lines(path: Path, notes: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the position and the content of each JSON line; notes a truncated last line."""
    if not path.is_file():
        notes.append(f"{path.name} is missing.")
        return
    cut = f"The last line of {path.name} is truncated and was left out."
    yield from read_objects(path, "", "a run directory", on_cut=lambda _: notes.append(cut))


def _records(path: Path, notes: list[str]) -> Iterator[dict[str, Any]]:
    for where, record in _lines(path / "records.jsonl", notes):
        check_schema(RecordLine, record, where)
        yield record


def _json(path: Path, check: Callable[[Any, str], None], notes: list[str]) -> dict[str, Any]:
    """Returns a JSON object; an empty one, with a note, if the file is missing or damaged."""
    if not path.is_file():
        notes.append(f"{path.name} is missing.")
        return {}
    try:
        content = parse_json(read_bounded(path, path.name, "a run directory"), path.name)
        check(content, path.name)
    except ValueError as error:
        notes.append(f"{path.name} was left out. {error}")
        return {}
    return content


def _check_versions(content: Any, where: str) -> None:
    check_schema(dict[str, str], content, where)


def _check_summary(content: Any, where: str) -> None:
    check_schema(StoredSummary, content, where)


def _summary(path: Path, entries: Sequence[Entry], notes: list[str]) -> dict[str, Any]:
    """Returns summary.json; computed from the samples if it is missing or outdated."""
    own = summarise([entry.row for entry in entries])
    if not (path / "summary.json").is_file():
        notes.append(
            "summary.json is missing: the run is unfinished, and the numbers are those of its "
            f"{len(entries)} finished samples."
        )
        return own
    written = StoredSummary.entries(_json(path / "summary.json", _check_summary, notes))
    if written and written.get("samples") != len(entries):
        notes.append(
            f"summary.json has the numbers of {written.get('samples')} samples, but samples.jsonl "
            f"has {len(entries)}: the numbers here are computed from samples.jsonl."
        )
    return written | own


def _mapping(path: Path, text: str) -> dict[str, Any]:
    """Parses a YAML mapping; an empty one if the text is something else."""
    content = parse_yaml(text, str(path))
    if not isinstance(content, dict):
        return {}
    check_schema(StepNumber | None, content.get("steps"), str(path), name="steps")
    return content
