"""The table of pooled comparisons in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastflow.comparison.page.exhibits import group_text, interval, number_text, share_text
from fastflow.evaluation.summary import FLIP

TOLD = ("marks", "notes")
TABLE_HEAD = (
    "method",
    "group",
    "steps",
    "mean PSNR, dB",
    "between seeds",
    "median",
    "10th percentile",
    "worst",
    "flips",
    "near best",
    "learning, reference runs",
    "difference to the best of other groups, dB",
)


def as_markdown(content: Mapping[str, Any]) -> str:
    """Returns the table from the content of pooled.json."""
    seeds = ", ".join(map(str, content["seeds"]))
    lines = [
        f"`{content['model']}`, {content['steps']} steps, {content['samples']} samples for each "
        f"of the seeds {seeds}. PSNR is the mean over samples of the PSNR in dB of each decoded "
        f"output to that of its reference run; 95 % intervals are {content['intervals']}; "
        "`between seeds` is the standard deviation of the seeds' means; "
        f"flips are samples below {FLIP:.0f} dB. Differences are paired by sample.",
        *content["notes"],
    ]
    for target in dict.fromkeys(row["target"] for row in content["table"]):
        rows = [row for row in content["table"] if row["target"] == target]
        lines.append(f"## {target} of {content['steps']} steps")
        lines.append("\n".join(_table(rows)))
        told = [f"- `{row['method']}`: {row[part]}" for row in rows for part in TOLD if row[part]]
        lines += ["\n".join(told)] if told else []
    return "\n\n".join(lines) + "\n"


def short_mark(row: Mapping[str, Any]) -> str:
    """Returns a word in brackets for a row that missed its target, is marked or interpolated."""
    if not row["reached"]:
        return " (missed)"
    if row["marks"]:
        return " (marked)"
    return " (interpolated)" if "interpolated" in row["notes"] else ""


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield f"| {' | '.join(TABLE_HEAD)} |"
    yield f"|{' --- |' * len(TABLE_HEAD)}"
    for row in rows:
        yield f"| {' | '.join(_cells(row))} |"


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"`{row['method']}`", group_text(row["group"]))
    yield number_text(row["steps"]) + short_mark(row)
    yield interval(row["psnr"])
    yield number_text(row["between_seeds"], ".2f")
    spread = row["psnr_spread"]
    yield from (number_text(spread[name]) for name in ("median_db", "p10_db", "worst_db"))
    yield from (share_text(spread.get(name)) for name in ("flip_share", "near_best_share"))
    yield number_text(row["learning_runs"]) if row["learning_runs"] else "0"
    if row["difference"] is None:
        yield ""
        return
    doubt = "" if row["is_distinguishable"] else ", not distinguishable"
    yield f"{interval(row['difference'], '+.1f')} to `{row['peer']}`{doubt}"
