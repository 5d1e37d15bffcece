"""Removes clock readings from a run's files: all else is the same when it is repeated."""

import csv
import io
import json
import re
from pathlib import Path

CLOCK_FIELDS = frozenset(
    {
        "started",  # versions.json
        "working_directory",  # inputs.json: a place rather than a time
        "seconds",  # samples.jsonl, comparison.json, comparison.csv
        "seconds_full",
        "pairs",  # a comparison's rows: seconds of the reference run and of the method
        "speedup_wall",  # summary.json and a comparison's tables
        "speedup_wall.low",
        "speedup_wall.high",
        "speedup_wall_last20",
    }
)
CLOCK_ELEMENTS = re.compile(r"<(\w+)[^>]*\sdata-clock[\s>].*?</\1>", re.DOTALL)


def without_clock(path: Path) -> bytes:
    """Returns a file's bytes without the named fields, or elements, that hold clock readings."""
    content = path.read_bytes()
    stripped = {".json": _json, ".jsonl": _lines, ".csv": _csv, ".html": _html}.get(path.suffix)
    return stripped(content.decode()).encode() if stripped else content


def _json(text: str) -> str:
    return json.dumps(_without(json.loads(text)))


def _lines(text: str) -> str:
    return "\n".join(map(_json, text.splitlines()))


def _without(value):
    if isinstance(value, dict):
        return {key: _without(v) for key, v in value.items() if key not in CLOCK_FIELDS}
    return [_without(one) for one in value] if isinstance(value, list) else value


def _csv(text: str) -> str:
    return str([_without(row) for row in csv.DictReader(io.StringIO(text))])


def _html(text: str) -> str:
    return CLOCK_ELEMENTS.sub("", text)
