"""Writes components.md: the table of fastflow's own components, from the catalog.

Run ``make components`` after adding a component; a test fails while the page is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from fastflow.registry.catalog import CatalogEntry, installed
from fastflow.registry.hooks import KINDS

PAGE = Path(__file__).with_name("components.md")
OURS = ("fastflow", "fastflow_plugins", "fastflow_minis")
HEAD = """\
# Components

Everything that comes with fastflow, by kind. Choose one with `kind=name` on the command line, set
its parameters with `kind.parameter=value`; `fastflow plugins` lists what *you* have installed,
other packages' components included.

<!-- written by `make components`; do not edit -->
"""


def page() -> str:
    """Returns the page."""
    return HEAD + "\n".join(line for kind in KINDS for line in _section(kind)) + "\n"


def _section(kind: str) -> Iterator[str]:
    yield f"\n## {kind}\n"
    yield f"{KINDS[kind].purpose}\n"
    yield "| name | what it does | parameters | plugin |"
    yield "| --- | --- | --- | --- |"
    for entry in installed().entries:
        if entry.kind == kind and entry.component.__module__.split(".")[0] in OURS:
            cells = f"`{entry.name}`", _line(entry.line), _parameters(entry), entry.plugin
            yield f"| {' | '.join(cells)} |"


def _parameters(entry: CatalogEntry) -> str:
    return ", ".join(f"`{f.name}={_default(f)}`" for f in fields(entry.component))


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        value = field.default
    elif field.default_factory is not MISSING:
        value = field.default_factory()
    else:
        return "(required)"
    if isinstance(value, tuple):
        value = list(value)
    return next((e.name for e in installed().entries if type(value) is e.component), _plain(value))


def _plain(value: Any) -> str:
    """Returns a value as the command line takes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) or "''"


def _line(text: str | None) -> str:
    """Returns a docstring's first line as Markdown that fits into a table's cell."""
    line = (text or "").strip().split("\n")[0]
    return line.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
