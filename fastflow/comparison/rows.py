"""The rows of a comparison, each kept in a file of its directory, so that it can be resumed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fastflow.comparison.references import StoredReferences
from fastflow.comparison.stored.stored_row import StoredRow, rows_from
from fastflow.evaluation.measurement import SampleRow
from fastflow.sampling.foreign import check_inside, check_schema, parse_json, read_bounded
from fastflow.sampling.media import keep, suffix
from fastflow.sampling.storage import check_empty, command_line, write_whole, writing


@dataclass
class SecondKnob:
    """The same method at another value of its knob, on the other side of the target.

    Args:
        value: the value of the knob.
        share: the weight of its samples, from 0 to 1, with which the mean number of computed steps
            is the target.
        samples: the measurements of each sample.
    """

    value: float
    share: float
    samples: list[SampleRow] = field(default_factory=list)


@dataclass
class MethodRow:
    """The measurements of one method at one target.

    Args:
        method: the name of the method.
        target: the number of computed steps that the method should take.
        recipe: the parameters of the method, with the knob's value.
        knob: the name of the parameter that was tuned to reach the target.
        value: the value of the knob; None before tuning.
        samples: the measurements of each sample.
        learned: the samples and network calls spent on learning, and facts from it.
        pairs: interleaved pairs of denoising times in seconds, ``(reference, method)``.
        peak: the peak memory in bytes over that in use before; None if not measured.
        failure: why there are no measurements; empty if there are.
        second: the other knob, if the first missed the target and another was on its other side;
            the row's numbers are then interpolated between the two.
        mark: why the row is not what its name says, such as a plan that was replaced; empty if it
            is. A marked row is never the best of ours.
        note: what else there is to know about the row.
        timed_on: the kind of device on which the pairs were timed.
        recorded: what its schedule costs on the recorded velocities (`recorded_costs`).
    """

    method: str
    target: int
    recipe: str = ""
    knob: str = ""
    value: float | None = None
    samples: list[SampleRow] = field(default_factory=list)
    learned: dict[str, Any] = field(default_factory=dict)
    pairs: list[tuple[float, float]] = field(default_factory=list)
    peak: int | None = None
    failure: str = ""
    second: SecondKnob | None = None
    mark: str = ""
    note: str = ""
    timed_on: str = ""
    recorded: dict[str, Any] = field(default_factory=dict)

    def values(self, number: Callable[[SampleRow], float | None]) -> dict[int, float]:
        """Returns a number of each sample by its index, without those for which it is None.

        With two knobs it is interpolated between them: its mean is then that of drawing one of
        the two at random for each sample.
        """
        own = _numbers(self.samples, number)
        if self.second is None:
            return own
        other, share = _numbers(self.second.samples, number), self.second.share
        return {i: (1 - share) * own[i] + share * other[i] for i in own if i in other}

    def to_json(self) -> dict[str, Any]:
        """Returns the row in JSON types."""
        content = asdict(replace(self, samples=[], second=None))
        content["samples"] = [sample.to_json() for sample in self.samples]
        if self.second is not None:
            rows = [sample.to_json() for sample in self.second.samples]
            content["second"] = asdict(replace(self.second, samples=[])) | {"samples": rows}
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any], where: str) -> MethodRow:
        """Reads what `to_json` returned.

        Raises:
            ValueError: beginning with ``where``, if a field is missing or of another type.
        """
        check_schema(StoredRow, content, where)
        known = {f.name for f in fields(cls)}
        kept = {name: value for name, value in content.items() if name in known}
        kept["pairs"] = [(a, b) for a, b in content.get("pairs") or ()]
        second = content.get("second")
        if second is not None:
            samples = rows_from(second["samples"], f"{where}, `second.samples`")
            second = SecondKnob(second["value"], second["share"], samples)
        samples = rows_from(content["samples"], f"{where}, `samples`")
        return cls(**{**kept, "samples": samples, "second": second})


def _numbers(
    samples: list[SampleRow], number: Callable[[SampleRow], float | None]
) -> dict[int, float]:
    found = ((sample.index, number(sample)) for sample in samples)
    return {index: value for index, value in found if value is not None}


SOURCE, REFERENCE = "source", "reference"  # in place of a method's name, for images


class ComparisonDirectory:
    """The folder of a comparison, and the files in it.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, path: Path) -> ComparisonDirectory:
        """Begins a comparison in an empty folder, which this process holds.

        Raises:
            ValueError: if it is not empty.
        """
        check_empty(path, "compare")
        directory = cls(path)
        directory.make_folders()
        return directory

    def make_folders(self) -> None:
        """Makes the folders of rows and images, if there are none yet."""
        for name in ("rows", "images"):
            (self.path / name).mkdir(parents=True, exist_ok=True)

    @classmethod
    def existing(cls, path: Path) -> ComparisonDirectory:
        """Opens the folder of an earlier comparison.

        Raises:
            ValueError: if it is not one.
        """
        if not (path / "rows").is_dir():
            raise ValueError(f"{str(path)!r} is not a comparison's directory: it has no rows.")
        check_inside(path)
        return cls(path)

    def has_row(self, method: str, target: int) -> bool:
        """Returns whether a row is finished and did not fail."""
        row = self.row(method, target)
        return row is not None and not row.failure

    def keep(self, row: MethodRow) -> None:
        """Writes a finished row."""
        self.write_json(self._row(row.method, row.target).relative_to(self.path), row.to_json())

    def row(self, method: str, target: int) -> MethodRow | None:
        """Returns a row, which may have failed; None if it is not finished yet.

        Raises:
            ValueError: naming the file and the field, if it is damaged.
        """
        path = self._row(method, target)
        if not path.is_file():
            return None
        resume = command_line("compare", f"resume={self.path}")
        again = f"Remove the file; it is measured again by: {resume}"
        try:
            content = parse_json(read_bounded(path, str(path), "a comparison's row"), str(path))
            row = MethodRow.from_json(content, str(path))
            if (row.method, row.target) != (method, target):
                raise ValueError(f"{path} is a row of {row.method} at {row.target}.")
            return row
        except ValueError as error:
            raise ValueError(f"{error} {again}") from error

    def keep_image(self, method: str, target: int | None, index: int, output: Any) -> None:
        """Writes an example output of a method, an image or a video."""
        path = self.image(method, target, index).with_suffix(suffix(output))
        with writing(self.path / "images", "compare"):
            keep(output, path)

    def image(self, method: str, target: int | None, index: int) -> Path:
        """Returns the path of an example output, if that is an image."""
        return self.path / "images" / f"{_stem(method, target)}-{index:04d}.png"

    def example(self, method: str, target: int | None, index: int) -> Path | None:
        """Returns the file of an example output, an image or a video; None if none was kept."""
        path = self.image(method, target, index)
        return next((p for p in (path, path.with_suffix(".mp4")) if p.is_file()), None)

    @property
    def held(self) -> Path:
        """The folder that is locked: of a further seed, that of the whole comparison."""
        above = self.path.resolve().parents[1]
        is_seed = self.path.resolve().parent.name == "seeds" and (above / "rows").is_dir()
        return above if is_seed else self.path

    def repetition(self, seed: int) -> ComparisonDirectory:
        """Returns the folder of a further seed of this comparison, which may not exist yet."""
        return ComparisonDirectory(self.path / "seeds" / str(seed))

    def write_json(self, name: str | Path, content: Any) -> None:
        """Writes a JSON file atomically."""
        self.write_text(name, json.dumps(content, indent=1) + "\n")

    def write_text(self, name: str | Path, text: str) -> None:
        """Writes a text file atomically."""
        with writing(self.path / "rows", "compare"):
            write_whole(self.path / name, text)

    def read_json(self, name: str) -> Any:
        """Reads a JSON file.

        Raises:
            ValueError: if it is missing or damaged.
        """
        path = self.path / name
        try:
            return parse_json(read_bounded(path, str(path), "a comparison's directory"), str(path))
        except ValueError as error:
            raise ValueError(f"{error} {self._again}") from error

    def references(self) -> StoredReferences:
        """Returns the measurements of the reference runs.

        Raises:
            ValueError: if they are missing or damaged.
        """
        name = "references.json"
        content = self.read_json(name)
        try:
            return StoredReferences.from_json(content, str(self.path / name))
        except ValueError as error:
            raise ValueError(f"{error} {self._again}") from error

    @property
    def _again(self) -> str:
        resume = command_line("compare", f"resume={self.path}")
        return f"If the comparison was interrupted or the file is damaged: {resume}"

    def _row(self, method: str, target: int) -> Path:
        return self.path / "rows" / f"{_stem(method, target)}.json"


def _stem(method: str, target: int | None) -> str:
    name = re.sub(r"[^\w.-]+", "_", method)
    return name if target is None else f"{name}-at-{target}"
