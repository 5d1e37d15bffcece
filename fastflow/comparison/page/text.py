"""A comparison in plain text: as CSV, and in a few lines for the end of the command."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from fastflow.comparison.checks import ComparisonResults


def comparison_headline(content: dict[str, Any]) -> str:
    """Returns what was found, from what `comparison.json` holds."""
    plan = content["settings"]
    lines = [
        f"{content['model']}: {len(plan['targets'])} numbers of calls, {plan['samples']} samples "
        f"of {plan['steps']} steps"
    ]
    for found in content["findings"]:
        ours, peer = found["psnr_ours"], found["psnr_peer"]
        lines.append(
            f"at {found['target']:>3}    {found['ours']} {_interval(ours)} dB; the best of the "
            f"others, {found['peer']}, {_interval(peer)} dB; paired difference "
            f"{_interval(found['difference'], '+.1f')} dB"
        )
    for check in content["checks"]:
        verdict = {True: "holds", False: "FAILS", None: "unseen"}[check["holds"]]
        lines.append(f"{verdict:<9} {check['what']}: {check['why']}")
    lines += [f"note      {text}" for text in content["left_out"]]
    return "\n".join(lines)


def _interval(values: tuple[float, float, float], form: str = ".1f") -> str:
    mean, low, high = values
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def as_csv(found: ComparisonResults) -> str:
    """Returns the lines as CSV: one column a number, intervals in three."""
    rows = [dict(_cells(line)) for line in (found.reference, found.noise_floor, *found.table)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _cells(line: Any) -> Iterator[tuple[str, Any]]:
    for f in fields(line):
        value = getattr(line, f.name)
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from _flat(f"{f.name}.{name}", inner)
        else:
            yield from _flat(f.name, value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple | list):
        yield from zip((name, f"{name}.low", f"{name}.high"), value, strict=True)
    elif isinstance(value, dict):
        for inner, number in value.items():
            yield f"{name}.{inner}", number
    else:
        yield name, value
