"""Benchmarks: their prompts, the files that their scorers read, and the scores they write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from fastflow.sampling.request import Prompt

Item = Mapping[str, Any]
LONGEST_NAME = 250  # bytes: file systems have 255, and a file that is being written has a suffix


@dataclass(frozen=True)
class Score:
    """Holds the official scores of one file.

    Args:
        file: the path of the file, as the scorer wrote it.
        values: numbers by name; ``score`` is the score of the sample, if the benchmark has one.
        prompt: the prompt that was scored; empty if the scorer does not state it.
    """

    file: str
    values: Mapping[str, float]
    prompt: str = ""


@dataclass(frozen=True)
class Total:
    """Defines an official number as a sum over group means: ``constant + sum(weight mean)``.

    Args:
        name: its name.
        weights: the weight of every group that it needs, by the group's name.
        constant: the constant.
    """

    name: str
    weights: Mapping[str, float]
    constant: float = 0.0


def places(benchmark: Benchmark, asked: Iterable[tuple[Item, int]]) -> list[str]:
    """Returns the path at which the scorer expects each sample, from items and repeats.

    Raises:
        ValueError: if two samples have the same path, or a path leaves the folder or cannot be
            the name of a file.
    """
    paths = [benchmark.place(item, repeat) for item, repeat in asked]
    for place, count in Counter(paths).items():
        parts = PurePosixPath(place).parts
        if ".." in parts or parts[:1] == ("/",):
            raise ValueError(f"a sample cannot be the file {place!r}, outside of its folder.")
        if any(len(part.encode()) > LONGEST_NAME for part in parts) or "\0" in place:
            raise ValueError(
                f"a sample cannot be the file '{place[:60]}...': a name of a file has at most "
                f"{LONGEST_NAME} bytes, and no zero byte. Shorten that prompt in `prompts`."
            )
        if count > 1:
            raise ValueError(
                f"{count} samples would be one file, {place!r}. Ask for fewer `samples`, and give "
                "`prompts` without repetitions."
            )
    return paths


@dataclass(frozen=True, kw_only=True)
class Benchmark(ABC):
    """Connects a run with a benchmark: its prompts, the files of its scorer, and its scores.

    The `Prompt.item` from `read` is stored with each sample in the run directory; the other
    methods receive nothing else about the prompt.

    Args:
        repeats: the number of samples of each prompt.

    Attributes:
        suffix: the suffix of the files that the scorer reads.
    """

    suffix: ClassVar[str] = ".png"
    repeats: int = 1

    def __post_init__(self):
        if self.repeats < 1:
            raise ValueError(f"`repeats` must be 1 or more, got {self.repeats}.")

    @abstractmethod
    def read(self, path: Path) -> list[Prompt]:
        """Returns the prompts in the benchmark's own file.

        Raises:
            ValueError: if it is missing, damaged or in another format.
        """

    @abstractmethod
    def place(self, item: Item, repeat: int) -> str:
        """Returns the path at which the scorer expects a sample, relative to its folder."""

    def companion_files(self, item: Item) -> dict[str, str]:
        """Returns the texts that the scorer needs with the samples of a prompt, by path."""
        return {}

    def source(self, item: Item) -> str:
        """Returns the path at which the scorer expects the image to edit; empty if nowhere."""
        return ""

    @abstractmethod
    def scores(self, path: Path) -> Iterator[Score]:
        """Yields the scores in the scorer's output, a file or a folder of files.

        Raises:
            ValueError: if it is missing, damaged or in another format.
        """

    @abstractmethod
    def promised(self, item: Item) -> Sequence[str]:
        """Returns the names of the values that the scorer gives for every such sample."""

    @abstractmethod
    def groups(self, item: Item, values: Mapping[str, float]) -> dict[str, float]:
        """Returns the values with which a sample enters the means of its groups, by group."""

    def totals(self, groups: Sequence[str]) -> list[Total]:
        """Returns the official numbers over these groups."""
        return []
