"""The common style of a study's figures, and their files."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib
from matplotlib.figure import Figure

COLUMN = 3.25  # inches, one of two columns of a page
INK, MUTED, _LINE = "#1a1a1a", "#5a5a5a", "#c8c8c8"

# Okabe and Ito, Color Universal Design, 2008, https://jfly.uni-koeln.de/color/ without its yellow,
# which is too light for a line. Every series has a marker and dashes of its own besides, for
# prints without colours.
PAPER_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9")
PAPER_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PAPER_DASHES = ("-", (0, (4, 1.2)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (7, 2)), (0, (2, 1)), "-.")
MAP = "cividis"  # even in lightness, so that it reads the same in grey
GREYS = "Greys"

_STYLE = {
    "svg.fonttype": "path",  # text as paths: the same everywhere, whatever fonts there are
    "pdf.fonttype": 42,  # fonts embedded as TrueType, which journals ask for
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.labelcolor": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": _LINE,
    "grid.linewidth": 0.4,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.8,
    "hatch.linewidth": 0.5,
}
_SVG = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_PDF = dict.fromkeys(("CreationDate", "ModDate", "Creator", "Producer"))


@dataclass(frozen=True, kw_only=True)
class StudyFigure:
    """A figure, and what is said about it.

    Args:
        name: the name of its files, without their endings.
        title: what it shows.
        caption: how to read it.
        svg: the content of the SVG file.
        pdf: the content of the PDF file.
    """

    name: str
    title: str
    caption: str
    svg: bytes
    pdf: bytes


def draw_for_paper(
    name: str, title: str, caption: str, height: float, plot: Callable[[Figure], None]
) -> StudyFigure:
    """Draws a figure, one column wide; the same data give the same files.

    Args:
        name: the name of its files.
        title: what it shows.
        caption: how to read it.
        height: in inches.
        plot: draws on an empty figure.
    """
    style: dict[Any, Any] = _STYLE | {"svg.hashsalt": name}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(COLUMN, height), layout="constrained")
        plot(figure)
        svg, pdf = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata=_SVG)
        figure.savefig(pdf, format="pdf", metadata=_PDF)
    return StudyFigure(
        name=name, title=title, caption=caption, svg=svg.getvalue(), pdf=pdf.getvalue()
    )


def line_styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns colour, marker and dashes for each name of a series, as arguments of ``plot``."""
    styles = zip(cycle(PAPER_COLOURS), cycle(PAPER_MARKERS), cycle(PAPER_DASHES))
    keys = ("color", "marker", "linestyle")
    return {name: dict(zip(keys, style)) for name, style in zip(names, styles)}
