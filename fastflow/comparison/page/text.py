"""A comparison as text: as CSV, and as the few lines that the command prints at its end."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastflow.comparison.checks import ComparisonResults
from fastflow.evaluation.summary import FLIP


def comparison_headline(content: dict[str, Any]) -> str:
    """Returns the main results, from the content of comparison.json."""
    settings = content["settings"]
    lines = [
        f"{content['model']}: {len(settings['targets'])} targets, {settings['samples']} samples "
        f"of {settings['steps']} steps; 95 % intervals {content['intervals']}"
    ]
    spreads = {(row["method"], row["target"]): row["psnr_spread"] for row in content["table"]}
    for finding in content["findings"]:
        ours, peer = finding["psnr_ours"], finding["psnr_peer"]
        spread = spreads[finding["ours"], finding["target"]]
        lines.append(
            f"at {finding['target']:>3}    {finding['ours']}: {_interval(ours)} dB, median "
            f"{spread['median_db']:.1f}, {spread['flip_share']:.0%} flips (below {FLIP:.0f} dB); "
            f"the best other method, {finding['peer']}: {_interval(peer)} dB; paired difference "
            f"{_interval(finding['difference'], '+.1f')} dB"
            + ("" if finding["is_distinguishable"] else ", not distinguishable")
        )
    for check in content["checks"]:
        verdict = {True: "holds", False: "FAILS", None: "unchecked"}[check["holds"]]
        lines.append(f"{verdict:<10}{check['what']}: {check['why']}")
    lines += [f"note      {text}" for text in content["left_out"] + content["remarks"]]
    return "\n".join(lines)


def _interval(values: tuple[float, float, float], form: str = ".1f") -> str:
    mean, low, high = values
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def results_as_csv(results: ComparisonResults) -> str:
    """Returns the table of a comparison as CSV, the reference run and the noise floor first."""
    return as_csv(map(vars, (results.reference, results.noise_floor, *results.table)))


def as_csv(table: Iterable[Mapping[str, Any]]) -> str:
    """Returns rows as CSV, with a column for each number and three for an interval."""
    rows = [dict(_cells(row)) for row in table]
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _cells(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            for inner, number in value.items():
                yield from _flat(f"{name}.{inner}", number)
        else:
            yield from _flat(name, value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple | list):
        yield from zip((name, f"{name}.low", f"{name}.high"), value, strict=True)
    elif isinstance(value, dict):
        for inner, number in value.items():
            yield f"{name}.{inner}", number
    else:
        yield name, value
