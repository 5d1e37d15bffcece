"""Lost and doubled lines in the files that grow with every sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastflow.runs.resuming.inputs import NAMED

Line = tuple[str, Mapping[str, Any]]  # file and line for messages, and the object in it


def damaged(rows: Sequence[Line], records: Sequence[Line]) -> dict[int, str]:
    """Returns the samples whose lines were lost or doubled, by index, each with what is wrong.

    A sample that has no row is not among them: it was not finished, whatever its records.

    Args:
        rows: the lines of samples.jsonl.
        records: the lines of records.jsonl.
    """
    found = dict(_doubled_rows(rows))
    counts = Counter(record["sample"] for _, record in records)
    keys = Counter(_key(record) for _, record in records)
    doubled = {key[0] for key, count in keys.items() if count > 1}
    for where, row in rows:
        index, written = row["index"], row.get("observed")
        if index in doubled:
            found.setdefault(index, f"sample {index} has lines in records.jsonl twice")
        elif written is not None and counts[index] < written:
            found.setdefault(
                index,
                f"{where} sample {index} has {written} records, of which records.jsonl has "
                f"{counts[index]}",
            )
    return found


def _doubled_rows(rows: Sequence[Line]) -> Iterator[tuple[int, str]]:
    first: dict[int, str] = {}
    for where, row in rows:
        index = row["index"]
        if index in first:
            yield index, f"{where} is a second row of sample {index}"
        first.setdefault(index, where)


def _key(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(record.get(name) for name in ("sample", "step", "arm", "landing", "taken"))


def in_words(found: Mapping[int, str]) -> str:
    """Returns damage as one text."""
    texts = list(found.values())
    more = f"; and {len(texts) - NAMED} more samples" if len(texts) > NAMED else ""
    return "; ".join(texts[:NAMED]) + more
