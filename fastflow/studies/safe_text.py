"""Names and settings out of foreign files, safe in Markdown, LaTeX, CSV and figures."""

from __future__ import annotations

import re
import unicodedata

_LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{''}",
    "`": r"{`}",
    "-": r"{-}",
    **{letter: f"\\{letter}" for letter in "{}$&#_%"},
    "\N{MINUS SIGN}": r"$-$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{EN DASH}": r"--",
}
_FORMULA = re.compile(r"\s*[=+\-@\t\r|%]")


def one_line(text: object, longest: int = 80) -> str:
    """Returns a text in one line, without characters that cannot be seen, and cut if too long.

    Control characters, line breaks and those that turn the direction of writing become spaces.
    """
    shown = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in str(text)).strip()
    return shown if len(shown) <= longest else shown[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def for_markdown(text: object, longest: int = 80) -> str:
    """Returns a text for a cell of a Markdown table; nothing in it is markup or HTML."""
    escaped = re.sub(r"([\\`*_\[\]#|~<>&$]|:(?=//))", r"\\\1", one_line(text, longest))
    return escaped.replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;")


def for_latex(text: object) -> str:
    """Returns a text for LaTeX; others than ASCII become the nearest of it, or ``?``."""
    return "".join(_LATEX.get(c) or _ascii(c) for c in one_line(text))


def _ascii(letter: str) -> str:
    if letter.isascii():
        return letter
    near = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return "".join(_LATEX.get(c, c) for c in near) or "?"


def for_csv(value: object) -> object:
    """Returns a cell for CSV: a text that a spreadsheet would run as a formula gets a quote.

    Numbers stay numbers.
    """
    if value is None or isinstance(value, int | float):
        return value
    text = one_line(value, 2000)
    return f"'{text}" if _FORMULA.match(text) else text


def for_figure(text: object, longest: int = 26) -> str:
    """Returns a text that the figures' font can write."""
    shown = "".join(c if ord(c) < 0x500 else "?" for c in one_line(text, longest))
    return f" {shown}" if shown.startswith("_") else shown
