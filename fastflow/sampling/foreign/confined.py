"""Paths in foreign directories: they stay inside, and so do symbolic links."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated

from pydantic import AfterValidator

_NOT_READ = "wandb"  # a logger's own folder, whose links are its own


def inside_name(name: str) -> str:
    """Returns the name of a file in a directory.

    Raises:
        ValueError: if it leads elsewhere, whatever the system.
    """
    windows = PureWindowsPath(name)
    parts = (*PurePosixPath(name).parts, *windows.parts)
    leads_out = ".." in parts or name.startswith("/") or windows.drive or windows.root
    if not name or "\0" in name or leads_out:
        raise ValueError(f"must be a file inside the directory, got {name[:200]!r}.")
    return name


RunFile = Annotated[str, AfterValidator(inside_name)]
"""The type of a field that names a file inside a directory."""


def check_inside(folder: Path) -> None:
    """Raises a ValueError if a link in a directory leads out of it, or an entry is no file.

    Afterwards everything in it can be opened without reading or writing anything elsewhere, and
    without waiting for a pipe.
    """
    root = folder.resolve()
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.is_symlink():
                    _check_link(path, root, folder)
                elif entry.is_dir(follow_symlinks=False):
                    waiting += [path] if entry.name != _NOT_READ else []
                elif not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                    raise ValueError(f"{path} is a pipe or a device and no file. Remove it.")


def _check_link(link: Path, root: Path, folder: Path) -> None:
    try:
        target = link.resolve()
    except (OSError, RuntimeError):  # a link to itself
        target = Path(os.readlink(link))
    if not target.is_relative_to(root):
        raise ValueError(
            f"{link} is a symbolic link that leads out of {folder}, to {os.readlink(link)}. "
            "Nothing outside of the directory is read or written: replace the link by a copy."
        )
