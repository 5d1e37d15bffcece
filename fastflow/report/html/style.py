"""The common style of all figures: the page's CSS variables as colours, text as text."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

# Colours that stand for CSS variables: the drawn SVG then follows the page into dark mode.
_NAMES = (
    "ink",
    "muted",
    "line",
    "page",
    "reference",
    "skip",
    "s0",
    "s1",
    "s2",
    "s3",
    "s4",
    "s5",
    "s6",
)
_VARIABLES = {f"#0101{16 + i:02x}": name for i, name in enumerate(_NAMES)}
COLOURS = {name: colour for colour, name in _VARIABLES.items()}
LEVELS = tuple(COLOURS[f"s{i}"] for i in range(1, 7))

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 1.2,
    "lines.linewidth": 1.6,
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def draw(
    name: str, label: str, size: tuple[float, float], plot: Callable[[Figure], None]
) -> Markup:
    """Draws a figure and returns it as inline SVG in the page's colours.

    Args:
        name: unique on the page; the prefix of every id in the SVG.
        label: the text that a screen reader reads in place of the figure.
        size: width and height in inches; the page scales it to its column.
        plot: draws on an empty figure.
    """
    style: dict[Any, Any] = _STYLE | {"svg.hashsalt": name}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        plot(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_METADATA)
    return Markup(_inline(buffer.getvalue(), name, label))


def _inline(svg: str, name: str, label: str) -> str:
    """Turns the text of an SVG file into an element of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    box = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(label)}">'
    svg = re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    return re.sub(
        r"#0101[0-9a-f]{2}", lambda m: f"var(--{_VARIABLES.get(m[0], 'ink')})", svg
    ).strip()


def rectangles(ax: Axes, boxes: Sequence[tuple[float, float, float, float]], colour: str) -> None:
    """Fills boxes ``(x, y, width, height)`` with one colour, as a single small path."""
    if not boxes:
        return
    x, y, w, h = np.asarray(boxes, dtype=float).T
    corners = np.stack([x, y, x + w, y, x + w, y + h, x, y + h, x, y], axis=1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(x))
    # Not add_patch, which would walk every corner to find data limits that the caller sets anyway.
    ax.add_artist(PathPatch(Path(corners, codes), facecolor=colour, linewidth=0))


def bins(values: Sequence[float], form: str) -> tuple[list[float], list[str]]:
    """Divides values into at most six levels with about equally many values each.

    Args:
        values: finite numbers.
        form: the format of a number, such as ``"{:.2f}"``.

    Returns:
        The upper edges of the levels, rising, and a label for each, such as ``2 to 4``.
    """
    distinct = np.unique(np.asarray(values, dtype=float))
    if len(distinct) <= len(LEVELS):
        edges = distinct
    else:
        at = np.linspace(0, 1, len(LEVELS) + 1)[1:]
        edges = np.unique(np.quantile(values, at, method="inverted_cdf"))
    texts, low = [], -np.inf
    for edge in edges:
        inside = distinct[(distinct > low) & (distinct <= edge)]
        a, b = form.format(inside[0]), form.format(inside[-1])
        texts.append((a if a == b else f"{a} to {b}").replace("-", "\N{MINUS SIGN}"))
        low = edge
    return [float(edge) for edge in edges], texts


def colour(position: int, count: int) -> str:
    """Returns the colour of a level; the highest of several has the strongest."""
    spread = round(position * (len(LEVELS) - 1) / max(count - 1, 1)) if count > 1 else 3
    return LEVELS[spread]
