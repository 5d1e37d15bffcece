"""The run directory: readable files, written as samples finish, so that runs can be resumed."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import torch

from fastflow.evaluation.measurement import SampleRow
from fastflow.integration.feedback import Feedback, Observation
from fastflow.runs.resuming.inputs import INPUTS
from fastflow.runs.resuming.lines import damaged, in_words
from fastflow.sampling.foreign import RecordLine, check_inside, check_schema
from fastflow.sampling.foreign.stored_summary import StoredSummary
from fastflow.sampling.media import keep, suffix
from fastflow.sampling.sample import Sample
from fastflow.sampling.storage import (
    check_empty,
    command_line,
    read_object,
    read_objects,
    write_whole,
    writing,
)

CONFIG = "config.yaml"
PACKAGES = ("fastflow", "torch", "diffusers", "transformers", "lightning", "torchmetrics", "av")
SAMPLES, RECORDS = "samples.jsonl", "records.jsonl"


class RunDirectory:
    """The folder of a run, and the files in it.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path):
        self.path, self.images = path, path / "images"

    @classmethod
    def create(cls, path: Path) -> RunDirectory:
        """Begins a run in an empty folder, which this process holds.

        Raises:
            ValueError: if it is not empty.
        """
        check_empty(path, "sample")
        return cls(path)

    @classmethod
    def existing(cls, path: Path, force: bool = False) -> tuple[RunDirectory, list[str]]:
        """Opens the folder of an earlier run, which this process holds, to resume it.

        Args:
            path: the folder.
            force: whether samples whose lines were lost or doubled are generated again.

        Returns:
            The directory, and what was wrong with such samples.

        Raises:
            ValueError: if it is not a run directory, or lines were lost or doubled.
        """
        check_resumable(path)
        directory = cls(path)
        directory.images.mkdir(exist_ok=True)
        return directory, directory._drop_unfinished(force)

    def take_back(self) -> None:
        """Removes what this process wrote to begin a run, if no sample was begun."""
        with suppress(OSError):
            if self.rows():
                return
            self.images.rmdir()  # fails if an image was written: then all is kept
            for name in (SAMPLES, RECORDS, INPUTS, CONFIG):
                (self.path / name).unlink(missing_ok=True)

    def rows(self) -> list[SampleRow]:
        """Returns the finished samples' rows, in the order of their indices."""
        rows = (SampleRow.from_json(row, where) for where, row in self._lines(SAMPLES))
        return sorted(rows, key=lambda row: row.index)

    def official(self) -> dict[str, Any]:
        """Returns the part of summary.json with a benchmark's official scores, if it is whole."""
        path = self.path / "summary.json"
        try:
            summary = read_object(path) if path.is_file() else {"samples": 0}
            check_schema(StoredSummary, summary, str(path))
        except ValueError:  # it is about to be made anew
            return {}
        return {name: summary[name] for name in ("benchmark",) if name in summary}

    def feedback(self) -> dict[int, Feedback]:
        """Returns the feedback of each finished sample, by its index."""
        names = Observation.__dataclass_fields__
        rows = self.rows()
        observed: dict[int, list[Observation]] = {row.index: [] for row in rows}
        for _, record in self._lines(RECORDS):
            observation = Observation(**{name: record[name] for name in names if name in record})
            observed.setdefault(record["sample"], []).append(observation)
        return {row.index: Feedback(tuple(observed[row.index]), row.feedback_gram) for row in rows}

    def write_json(self, name: str, content: Any, again: str = "") -> None:
        """Writes a JSON file atomically; ``again`` says what to do if that fails."""
        path = self.path / name
        with writing(path, again=again):
            write_whole(path, json.dumps(content, indent=1) + "\n")

    def write_rows(self, rows: Sequence[SampleRow]) -> None:
        """Replaces samples.jsonl atomically."""
        text = "".join(json.dumps(row.to_json()) + "\n" for row in rows)
        with writing(self.path / SAMPLES, again="make room, then repeat the command."):
            write_whole(self.path / SAMPLES, text)

    @contextmanager
    def writer(self) -> Iterator[RunWriter]:
        """Opens the files that grow with every sample."""
        with (
            (self.path / SAMPLES).open("a", encoding="utf-8") as samples,
            (self.path / RECORDS).open("a", encoding="utf-8") as records,
        ):
            yield RunWriter(self.path, samples, records)

    def _lines(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the objects of a file, which may be missing or end in a truncated line."""
        if (self.path / name).is_file():
            found = read_objects(self.path / name, "", "a run directory", on_cut=lambda _: None)
            for where, content in found:
                if name == RECORDS:
                    check_schema(RecordLine, content, where)
                yield where, content

    def _drop_unfinished(self, force: bool) -> list[str]:
        """Removes what a killed run left unfinished: truncated lines, records without a row.

        Samples that failed are taken for unfinished, so that they are tried again.

        Returns:
            What was lost or doubled otherwise; removed as well if ``force`` is true.
        """
        self.rows()  # refuses what is not whole, before anything is changed
        rows, records = list(self._lines(SAMPLES)), list(self._lines(RECORDS))
        found = damaged(rows, records)
        if found and not force:
            again = command_line("sample", f"resume={self.path}", "force=true")
            raise ValueError(
                f"{str(self.path)!r} is not as a run leaves it: {in_words(found)}. Restore its "
                f"files, or generate these samples again with: {again}"
            )
        done = {row["index"] for _, row in rows if not row.get("failure")} - found.keys()
        kept = {
            SAMPLES: [row for _, row in rows if row["index"] in done],
            RECORDS: [record for _, record in records if record["sample"] in done],
        }
        for name, lines in kept.items():
            path = self.path / name
            with writing(path):
                write_whole(path, "".join(json.dumps(line) + "\n" for line in lines))
        return list(found.values())


def check_resumable(path: Path) -> None:
    """Raises a ValueError unless a path is the directory of a run."""
    if (path / "rows").is_dir():
        raise ValueError(
            f"`resume` {str(path)!r} is a comparison. Resume it with: "
            + command_line("compare", f"resume={path}")
        )
    if not (path / CONFIG).is_file():
        raise ValueError(f"`resume` {str(path)!r} is not a run directory: it has no config.yaml.")
    check_inside(path)


class RunWriter:
    """Appends to the run's files; a sample is finished once its row is written, which is last."""

    def __init__(self, run_dir: Path, samples: IO[str], records: IO[str]):
        self.run_dir, self.samples, self.records = run_dir, samples, records

    def sample(
        self,
        sample: Sample,
        reference: Sample | None,
        row: SampleRow,
        rewards: Sequence[float | None],
    ) -> None:
        """Writes the images, then the records of the decisions, then the row."""
        with writing(self.run_dir / SAMPLES):
            images = (
                (row.image_source, sample.request.image),
                (row.image, sample.output),
                (row.image_full, reference and reference.output),
            )
            for name, image in images:
                keep(image, self.run_dir / str(name))
            for observation, reward in zip(sample.feedback.observations, rewards, strict=True):
                taken, step = observation.taken, observation.step
                propensity = sample.propensities.get(step, 1.0) if taken else None
                record = {"sample": row.index, **asdict(observation)}
                record |= {"propensity": propensity, "reward": reward}
                if not observation.features:  # only contextual bandits have them
                    del record["features"]
                self.records.write(json.dumps(record) + "\n")
            self.records.flush()
            self.samples.write(json.dumps(row.to_json()) + "\n")
            self.samples.flush()

    def summary(self, summary: Any, run_dir: Path) -> None:
        """Does nothing: the run itself writes its summary."""


def with_files(row: SampleRow, sample: Sample, reference: Sample | None) -> SampleRow:
    """Returns a row with the names of the sample's image files in the run directory."""
    name = f"images/{row.index:04d}"
    return replace(
        row,
        image_source=None if sample.request.image is None else f"{name}_source.png",
        image=_file(name, sample.output),
        image_full=None if reference is None else _file(f"{name}_full", reference.output),
        observed=len(sample.feedback.observations),
    )


def _file(name: str, output: Any) -> str | None:
    return None if output is None else name + suffix(output)


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that compute."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def versions(device: str) -> dict[str, str]:
    """Returns the versions of packages and platform, the device and the time of a run."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return package_versions() | {
        "python": platform.python_version(),
        "platform": platform.system(),
        "device": f"{device} ({name})",
        "threads": str(torch.get_num_threads()),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
