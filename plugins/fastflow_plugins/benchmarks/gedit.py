"""GEdit-Bench: edits that users asked for, scored by a vision-language model."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from fastflow.evaluation import Benchmark, Item, Score, Total
from fastflow.sampling import Prompt, read_text
from fastflow_plugins.benchmarks.datasets import image, read_rows

ITEM_FIELDS = ("key", "task_type", "instruction", "instruction_language")
SCORES = {"sementics_score": "semantics", "quality_score": "quality"}  # spelt as in the files
TITLES = {"score": "overall", "semantics": "semantics", "quality": "quality"}
COLUMNS = ("edited_image", "instruction", "instruction_language", *SCORES)
LANGUAGES = ("en", "cn")


@dataclass(frozen=True, kw_only=True)
class GEdit(Benchmark):
    """Reads GEdit-Bench's instructions, and the VIEScore files of its test_gedit_score.py.

    Prompts are those of the dataset stepfun-ai/GEdit-Bench: its folder, one of its ``.arrow`` or
    ``.parquet`` files, or a ``.jsonl`` file of its fields with ``input_image`` as a path. The
    image to edit is ``input_image``. Semantics and quality range from 0 to 10, and a sample's
    score is the square root of their product. Totals are means of the tasks' means within one
    language, as in ``calculate_statistics.py``.

    Reference: Liu et al. 2025, https://arxiv.org/abs/2504.17761; files and folders as in
    https://github.com/stepfun-ai/Step1X-Edit, GEdit-Bench/EVAL.md.

    Args:
        repeats: 1, as the scorer's folders have room for one image of each instruction.
        language: the language of the instructions: en or cn.
    """

    language: str = "en"

    def __post_init__(self):
        if self.repeats != 1:
            raise ValueError(
                f"`repeats` must be 1, got {self.repeats}: GEdit's folders have room for one "
                "image of each instruction. Make another run with another `seed`."
            )
        if self.language not in LANGUAGES:
            raise ValueError(f"`language` must be en or cn, got {self.language!r}.")

    def read(self, path: Path) -> list[Prompt]:
        prompts = [
            Prompt(
                row["instruction"],
                row["task_type"],
                image(row["input_image"], path, where),
                {name: row[name] for name in ITEM_FIELDS},
            )
            for where, row in read_rows(path, ITEM_FIELDS, "input_image")
            if row["instruction_language"] == self.language
        ]
        if not prompts:
            raise ValueError(
                f"`prompts` {str(path)!r} has no instruction in {self.language!r}. Choose another "
                "`benchmark.language`."
            )
        return prompts

    def place(self, item: Item, repeat: int) -> str:
        return f"{_stem(item)}.png"

    def source(self, item: Item) -> str:
        return f"{_stem(item)}_SRCIMG.png"

    def scores(self, path: Path) -> Iterator[Score]:
        for where, row in _csv_rows(path):
            if row["instruction_language"] != self.language:
                continue
            try:
                values = {name: float(row[column]) for column, name in SCORES.items()}
                values["score"] = math.sqrt(values["semantics"] * values["quality"])
            except ValueError as error:
                raise ValueError(f"{where} has a score that is not a number: {error}.") from error
            yield Score(row["edited_image"], values, row["instruction"])

    def promised(self, item: Item) -> Sequence[str]:
        return tuple(TITLES)

    def groups(self, item: Item, values: Mapping[str, float]) -> dict[str, float]:
        return {
            f"{item['task_type']}, {title}": values[name]
            for name, title in TITLES.items()
            if name in values
        }

    def totals(self, groups: Sequence[str]) -> list[Total]:
        found = []
        for title in TITLES.values():
            own = [group for group in groups if group.endswith(f", {title}")]
            found += [Total(title, {group: 1 / len(own) for group in own})] if own else []
        return found


def _stem(item: Item) -> str:
    return f"fullset/{item['task_type']}/{item['instruction_language']}/{item['key']}"


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the rows of a file, or of the files in a folder, each as (location, fields)."""
    wanted = "a ..._gpt_score.csv that GEdit's test_gedit_score.py wrote, or their folder"
    files = [path]
    if path.is_dir():
        files = sorted(path.glob("*_combined_gpt_score.csv")) or sorted(
            path.glob("*_gpt_score.csv")
        )
    for file in files:
        rows = csv.DictReader(StringIO(read_text(file, "results", wanted), newline=""))
        try:
            lacking = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if lacking:
                raise ValueError(
                    f"results {str(file)!r} have no column {', '.join(lacking)}. Give {wanted}."
                )
            for row in rows:
                where = f"results {str(file)!r}, line {rows.line_num},"
                if None in row.values():
                    raise ValueError(f"{where} was cut off.")
                yield where, row
        except csv.Error as error:
            raise ValueError(
                f"results {str(file)!r} are no table after line {rows.line_num}. Give {wanted}."
            ) from error
