"""Models of the hub: the commit of the snapshot that the local cache holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def hub_commits(config: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Yields the dotted name and the commit of each ``path`` that names a cached repository.

    A path beside a ``revision`` is of that branch, tag or commit, and else of ``main``.
    """
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from hub_commits(value, f"{within}{name}.")
    path, revision = config.get("path"), config.get("revision") or "main"
    if not isinstance(path, str) or not isinstance(revision, str) or Path(path).exists():
        return
    if commit := cached_commit(path, revision):
        yield f"{within}path", commit


def cached_commit(repository: str, revision: str = "main") -> str:
    """Returns the commit of a repository's snapshot in the local cache; empty if it has none."""
    if not _REPOSITORY.fullmatch(repository):
        return ""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE, f"models--{repository.replace('/', '--')}")
    named = folder / "refs" / revision
    if ".." in named.parts:
        return ""
    commit = named.read_text(encoding="utf-8").strip() if named.is_file() else revision
    known = _COMMIT.fullmatch(commit) and (folder / "snapshots" / commit).is_dir()
    return commit if known else ""
