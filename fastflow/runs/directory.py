"""The run directory: the truth about a run, readable by people and resumable."""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import torch

from fastflow.evaluation.observer import Observer, ObserverSession
from fastflow.integration.feedback import Feedback, Observation
from fastflow.integration.gram import from_lists
from fastflow.sampling.media import keep
from fastflow.sampling.sample import Sample
from fastflow.sampling.storage import make_folder, read_lines, write_whole, writing

PACKAGES = ("fastflow", "torch", "diffusers", "transformers", "lightning", "torchmetrics", "av")


class RunDirectory:
    """One run's folder and what it already holds.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, path: Path) -> RunDirectory:
        """Makes a new folder.

        Raises:
            ValueError: if it exists and is not empty.
        """
        make_folder(path, "sample")
        return cls(path)

    @classmethod
    def existing(cls, path: Path) -> RunDirectory:
        """Opens the folder of an earlier run to go on with it.

        Raises:
            ValueError: if it is no run directory.
        """
        if not (path / "config.yaml").is_file():
            raise ValueError(f"`resume` {str(path)!r} is no run directory: it has no config.yaml.")
        (path / "images").mkdir(exist_ok=True)
        directory = cls(path)
        directory._drop_loose_ends()
        return directory

    def discard_if_empty(self) -> None:
        """Removes the folder if no sample was finished in it."""
        if not self.rows():
            shutil.rmtree(self.path, ignore_errors=True)

    def rows(self) -> list[dict[str, Any]]:
        """Returns the finished samples' rows, in the order of their indices."""
        return sorted(read_lines(self.path / "samples.jsonl"), key=lambda row: row["index"])

    def official(self) -> dict[str, Any]:
        """Returns the part of summary.json that a benchmark's scorer has filled, if one has."""
        path = self.path / "summary.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {name: known[name] for name in ("benchmark",) if name in known}

    def feedbacks(self) -> dict[int, Feedback]:
        """Returns what each finished sample taught."""
        names = Observation.__dataclass_fields__
        seen: dict[int, list[Observation]] = {row["index"]: [] for row in self.rows()}
        for row in read_lines(self.path / "records.jsonl"):
            seen[row["sample"]].append(Observation(**{name: row[name] for name in names}))
        grams = {row["index"]: from_lists(row["gram"]) for row in self.rows() if "gram" in row}
        return {i: Feedback(tuple(found), grams.get(i)) for i, found in seen.items()}

    def write_json(self, name: str, content: Any) -> None:
        """Writes a JSON file atomically."""
        path = self.path / name
        with writing(path):
            write_whole(path, json.dumps(content, indent=1) + "\n")

    def _drop_loose_ends(self) -> None:
        """Takes back what a killed run had half written: lines cut off, records without a row."""
        rows = read_lines(self.path / "samples.jsonl")
        done = {row["index"] for row in rows}
        records = [r for r in read_lines(self.path / "records.jsonl") if r["sample"] in done]
        for name, lines in (("samples.jsonl", rows), ("records.jsonl", records)):
            path = self.path / name
            with writing(path):
                write_whole(path, "".join(json.dumps(line) + "\n" for line in lines))


@dataclass(frozen=True, kw_only=True)
class Jsonl(Observer):
    """Writes samples.jsonl, records.jsonl and images/: always takes part."""

    def open(
        self, run_dir: Path, config: Mapping[str, Any]
    ) -> AbstractContextManager[ObserverSession]:
        return _open_lines(run_dir)


@contextmanager
def _open_lines(run_dir: Path) -> Iterator[ObserverSession]:
    with (
        (run_dir / "samples.jsonl").open("a") as samples,
        (run_dir / "records.jsonl").open("a") as records,
    ):
        yield Lines(run_dir, samples, records)


class Lines:
    """Appends to the run's files; a sample's row is written last, and makes it count."""

    def __init__(self, run_dir: Path, samples: IO[str], records: IO[str]):
        self.run_dir, self.samples, self.records = run_dir, samples, records

    def sample(
        self, sample: Sample, full: Sample | None, row: Mapping[str, Any], rewards: Sequence
    ) -> None:
        """Writes images, then decisions, then the row."""
        with writing(self.run_dir / "samples.jsonl"):
            images = (
                (row["image_source"], sample.request.image),
                (row["image"], sample.output),
                (row["image_full"], full and full.output),
            )
            for name, image in images:
                keep(image, self.run_dir / str(name))
            for seen, reward in zip(sample.feedback.observations, rewards, strict=True):
                chance = sample.propensities.get(seen.step, 1.0) if seen.taken else None
                line = {"sample": row["index"], **asdict(seen)}
                line |= {"propensity": chance, "reward": reward}
                self.records.write(json.dumps(line) + "\n")
            self.records.flush()
            self.samples.write(json.dumps(row) + "\n")
            self.samples.flush()

    def summary(self, summary: Mapping[str, Any], run_dir: Path) -> None:
        """Has nothing to add: the run writes its summary itself."""


def versions(device: str) -> dict[str, str]:
    """Returns what a run was made with."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return found | {
        "python": platform.python_version(),
        "platform": platform.system(),
        "device": f"{device} ({name})",
        "threads": str(torch.get_num_threads()),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
