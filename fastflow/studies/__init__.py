"""Studies: many runs in one table, with figures for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastflow.evaluation.observer import Observer

__all__ = ["study"]


def study(
    paths: Sequence[Path | str],
    out: Path | str | None = None,
    observer: Observer | None = None,
) -> Any:
    """Makes a table, a page and figures of the runs in directories; see `Study` for the result.

    Args:
        paths: directories of runs, sweeps and comparisons, or folders that hold such.
        out: the folder to write; a study's own is written again. If None, a new one in runs/.
        observer: mirrors the runs as one group, such as W&B; offline runs are in the folder.

    Raises:
        UserError: if a path does not exist, none has a finished run, or ``out`` holds anything
            else than a study.
    """
    # imported here, so that importing this package does not load the plotting library
    from fastflow.studies.study_folder import write_study

    folder = None if out is None else Path(out)
    return write_study([Path(path) for path in paths], folder, observer=observer)
