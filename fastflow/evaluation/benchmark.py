"""Benchmarks: whose prompts a run draws, where their scorer looks, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from fastflow.sampling.request import Prompt

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """What an official scorer says of one file.

    Args:
        file: the path of the file, as the scorer wrote it.
        values: named numbers; ``score`` is the sample's mark, where the benchmark has one.
        prompt: the prompt it was scored against; empty if the scorer does not say.
    """

    file: str
    values: Mapping[str, float]
    prompt: str = ""


@dataclass(frozen=True)
class Total:
    """An official number made of group means: ``constant + sum(weight mean)``.

    Args:
        name: what it is called.
        weights: the weight of every group it needs, by the group's name.
        constant: what is added.
    """

    name: str
    weights: Mapping[str, float]
    constant: float = 0.0


def places(benchmark: Benchmark, asked: Iterable[tuple[Item, int]]) -> list[str]:
    """Returns where the scorer looks for every sample, given their items and repeats.

    Raises:
        ValueError: if two samples would be one file, or one would be outside of the folder.
    """
    found = [benchmark.place(item, repeat) for item, repeat in asked]
    for place, count in Counter(found).items():
        parts = PurePosixPath(place).parts
        if ".." in parts or parts[:1] == ("/",):
            raise ValueError(f"a sample cannot be the file {place!r}, outside of its folder.")
        if count > 1:
            raise ValueError(
                f"{count} samples would be one file, {place!r}. Ask for fewer `samples`, and give "
                "`prompts` that name none twice."
            )
    return found


@dataclass(frozen=True, kw_only=True)
class Benchmark(ABC):
    """A bridge to a benchmark: from its prompts to a run, to its scorer's files, and back.

    The `Prompt.item` that `read` gives goes with each sample into the run directory, and is all
    that the other methods know of it.

    Args:
        repeats: how many samples of each prompt.

    Attributes:
        suffix: the ending of the files that its scorer reads.
    """

    suffix: ClassVar[str] = ".png"
    repeats: int = 1

    def __post_init__(self):
        if self.repeats < 1:
            raise ValueError(f"`repeats` must be 1 or more, got {self.repeats}.")

    @abstractmethod
    def read(self, path: Path) -> list[Prompt]:
        """Reads the benchmark's own file of prompts.

        Raises:
            ValueError: if it is missing, damaged or of another form.
        """

    @abstractmethod
    def place(self, item: Item, repeat: int) -> str:
        """Returns where the scorer looks for a sample, from the folder that it is given."""

    def beside(self, item: Item) -> dict[str, str]:
        """Returns texts that the scorer wants beside the samples of a prompt, by their places."""
        return {}

    def source(self, item: Item) -> str:
        """Returns where the scorer looks for the image that was edited; empty if it does not."""
        return ""

    @abstractmethod
    def scores(self, path: Path) -> Iterator[Score]:
        """Reads what the scorer wrote: a file, or a folder of them.

        Raises:
            ValueError: if it is missing, damaged or of another form.
        """

    @abstractmethod
    def promised(self, item: Item) -> Sequence[str]:
        """Returns the names of the values that the scorer gives of every such sample."""

    @abstractmethod
    def groups(self, item: Item, values: Mapping[str, float]) -> dict[str, float]:
        """Returns the groups whose means a sample enters, and with what."""

    def totals(self, groups: Sequence[str]) -> list[Total]:
        """Returns the official numbers over these groups."""
        return []
