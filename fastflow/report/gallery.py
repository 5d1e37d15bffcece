"""The samples on the page: which are shown, in what order, and what is marked on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastflow.evaluation.summary import FLIP
from fastflow.report.entry import Entry
from fastflow.report.html.pictures import PAGE, Picture, embed
from fastflow.report.load import RunContent

SHOWN = 24  # samples that are not folded away
WORST = 6  # samples marked for the lowest PSNR
MOST = 200  # samples with images on the page

Mark = tuple[str, bool]  # a text, and whether it reports a problem


@dataclass(frozen=True)
class Card:
    """A sample as the page shows it.

    Args:
        entry: the sample.
        source: the image to edit; None without one.
        reference: the output of the reference run; None without one.
        skipped: the output with skipping; None without one.
        marks: the texts marked on it, each with whether it reports a problem.
        psnr: the PSNR as text; empty if it was not measured.
        score: the score with skipping as text; empty if it was not measured.
        score_reference: the score of the reference run, likewise.
    """

    entry: Entry
    source: Picture | None
    reference: Picture | None
    skipped: Picture | None
    marks: tuple[Mark, ...]
    psnr: str
    score: str
    score_reference: str


@dataclass(frozen=True)
class Gallery:
    """The samples on the page: the shown, the folded away, and the number of all others."""

    shown: list[Card]
    folded: list[Card]
    left_out: int


def worst(run: RunContent, count: int = WORST) -> list[Entry]:
    """Returns the samples with the lowest PSNR, lowest first, without identical outputs."""
    measured = [e for e in run.good if e.psnr is not None and math.isfinite(e.psnr)]
    return sorted(measured, key=lambda entry: entry.psnr or 0.0)[:count]


def gallery(run: RunContent) -> Gallery:
    """Chooses samples, marked ones first, then others evenly spread, and embeds their images."""
    marks = _marks(run)
    marked = set(list(marks)[:SHOWN])
    others = [entry for entry in run.entries if entry.index not in marked]
    chosen = marked | {entry.index for entry in _spread(others, SHOWN - len(marked))}
    shown = [entry for entry in run.entries if entry.index in chosen]
    folded = [entry for entry in run.entries if entry.index not in chosen][: MOST - len(shown)]
    sides = 3 if any(entry.row.image_source for entry in run.entries) else 2
    budget = PAGE // max(1, sides * (len(shown) + len(folded)))
    text = scores_as_text(run)

    def cards(entries: Sequence[Entry]) -> list[Card]:
        return [
            _card(run, entry, tuple(marks.get(entry.index, ())), budget, text) for entry in entries
        ]

    left_out = len(run.entries) - len(shown) - len(folded)
    return Gallery(cards(shown), cards(folded), left_out)


def _marks(run: RunContent) -> dict[int, list[Mark]]:
    """Returns the marks of samples by their indices, the lowest PSNR first."""
    marks: dict[int, list[Mark]] = {}
    if len(run.good) > 1:
        for entry in worst(run, min(WORST, len(run.good) // 2)):
            marks.setdefault(entry.index, []).append(("lowest PSNR", (entry.psnr or 0) < FLIP))
    for entry in run.good:
        if entry.is_worse:
            marks.setdefault(entry.index, []).append(("lower score", True))
    for entry in run.entries:
        if entry.failure:
            marks.setdefault(entry.index, []).append(("failed", True))
    return marks


def _spread(entries: Sequence[Entry], count: int) -> list[Entry]:
    if count >= len(entries):
        return list(entries)
    return [entries[i * len(entries) // count] for i in range(count)]


def _card(
    run: RunContent, entry: Entry, marks: tuple[Mark, ...], budget: int, text: ScoreText
) -> Card:
    def picture(name: str | None) -> Picture | None:
        return embed(run.path / name, budget) if name else None

    return Card(
        entry=entry,
        source=picture(entry.row.image_source),
        reference=picture(entry.row.image_full),
        skipped=picture(entry.row.image),
        marks=marks,
        psnr=psnr_text(entry.psnr),
        score=text(entry.score),
        score_reference=text(entry.score_full),
    )


@dataclass(frozen=True)
class ScoreText:
    """Formats a score.

    Args:
        binary: whether scores are 0 or 1, and are written as fail or pass.
    """

    binary: bool

    def __call__(self, score: float | None) -> str:
        """Returns the score as text; empty for None."""
        if score is None:
            return ""
        return ("pass" if score > 0.5 else "fail") if self.binary else f"{score:.3g}"


def scores_as_text(run: RunContent) -> ScoreText:
    """Returns the format of this run's scores."""
    both = [s for e in run.good for s in (e.score, e.score_full) if s is not None]
    return ScoreText(_binary(both))


def psnr_text(psnr: float | None) -> str:
    """Returns a PSNR as text; empty for None."""
    if psnr is None:
        return ""
    return f"{psnr:.1f} dB" if math.isfinite(psnr) else "identical"


def _binary(values: list[float]) -> bool:
    """Returns whether scores are passes and failures: all 0 or 1, apart from rounding."""
    return bool(values) and all(math.isclose(v, round(v)) and 0 <= v <= 1 for v in values)
