"""Somebody else's package, installed in this process only."""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fastflow.registry.catalog import installed


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Writes text files by their names relative to a folder, and returns the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@contextlib.contextmanager
def own_package(folder: Path, files: Mapping[str, str], entry: str) -> Iterator[Path]:
    """Installs a package with an entry point, and reads the catalog again.

    Args:
        folder: a new folder for it.
        files: its files by name, such as ``mine/plugin.py``.
        entry: its module with hooks, such as ``mine.plugin``.
    """
    name = entry.partition(".")[0]
    write_files(folder, files)
    info = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n",
        "entry_points.txt": f"[fastflow]\n{name} = {entry}\n",
    }
    write_files(folder / f"{name}-0.1.0.dist-info", info)

    def forget() -> None:
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            del sys.modules[module]
        installed.cache_clear()

    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        forget()
        try:
            yield folder
        finally:
            forget()
