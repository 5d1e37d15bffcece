"""GenEval: whether an image shows the objects, counts, colours and positions of its prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastflow.evaluation import Benchmark, Item, Score, Total
from fastflow.sampling import Prompt, read_objects


@dataclass(frozen=True, kw_only=True)
class GenEval(Benchmark):
    """Reads GenEval's prompts, and the results of its evaluate_images.py.

    Prompts are the lines of ``evaluation_metadata.jsonl``, or of a similar file with longer
    prompts. A sample's score is 1 if its image was found correct, else 0; the overall score is the
    mean of the tasks' means, as in ``summary_scores.py``.

    Reference: Ghosh et al. 2023, https://arxiv.org/abs/2310.11513; files and folders as in
    https://github.com/djghosh13/geneval.

    Args:
        repeats: how many images of each prompt, 4 by convention.
    """

    repeats: int = 4

    def read(self, path: Path) -> list[Prompt]:
        wanted = "GenEval's evaluation_metadata.jsonl"
        prompts = []
        for where, row in read_objects(path, "`prompts`", wanted):
            if not (isinstance(row.get("tag"), str) and isinstance(row.get("prompt"), str)):
                raise ValueError(
                    f"{where} is not a line of {wanted}: it needs `tag`, `include` and `prompt`, "
                    f"got {', '.join(row) or 'nothing'}."
                )
            item = {"number": len(prompts), "metadata": row}
            prompts.append(Prompt(row["prompt"], row["tag"], item=item))
        if not prompts:
            raise ValueError(f"`prompts` {str(path)!r} is empty. Give {wanted}.")
        return prompts

    def place(self, item: Item, repeat: int) -> str:
        return f"{_folder(item)}/samples/{repeat:04d}.png"

    def companion_files(self, item: Item) -> dict[str, str]:
        return {f"{_folder(item)}/metadata.jsonl": json.dumps(item["metadata"]) + "\n"}

    def scores(self, path: Path) -> Iterator[Score]:
        wanted = "the results.jsonl that GenEval's evaluate_images.py wrote"
        for where, row in read_objects(path, "results", wanted):
            if not (isinstance(row.get("filename"), str) and isinstance(row.get("correct"), bool)):
                raise ValueError(
                    f"{where} is not a line of {wanted}: it needs `filename` and `correct`, got "
                    f"{', '.join(row) or 'nothing'}."
                )
            values = {"score": float(row["correct"])}
            yield Score(row["filename"], values, str(row.get("prompt") or ""))

    def promised(self, item: Item) -> Sequence[str]:
        return ("score",)

    def groups(self, item: Item, values: Mapping[str, float]) -> dict[str, float]:
        return {item["metadata"]["tag"]: values["score"]} if "score" in values else {}

    def totals(self, groups: Sequence[str]) -> list[Total]:
        return [Total("overall", {group: 1 / len(groups) for group in groups})]


def _folder(item: Item) -> str:
    return f"{item['number']:05d}"
