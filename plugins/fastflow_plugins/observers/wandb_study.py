"""Mirrors runs that are over to W&B, as one group."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fastflow.evaluation import FinishedRun
from fastflow_plugins.observers.wandb_start import begun, first_line, note_line


def mirror_runs(
    runs: Sequence[FinishedRun], folder: Path, options: Mapping[str, Any], mode: str
) -> None:
    """Logs the settings and the measures of runs, each as a run of W&B.

    The ids follow from project, group and name, so that a study that is mirrored again updates
    its runs. If one cannot be reached, it and all after it become offline runs.

    Args:
        runs: the runs.
        folder: where offline runs are written.
        options: project, group, job type and tags.
        mode: the mode of W&B.
    """
    for one in tqdm(runs, desc="W&B", unit="run"):
        more = {"id": _id(options, one.name), "name": one.name, "config": dict(one.config)}
        run = begun(folder, mode, {**options, **more})
        if run is None:
            return
        mode = "offline" if run.offline else mode
        try:
            run.summary.update(dict(one.measures))
            run.finish()
        except Exception as error:  # a study does not need W&B
            note_line(f"W&B failed ({first_line(error)}): the other runs are not mirrored.")
            return


def _id(options: Mapping[str, Any], name: str) -> str:
    key = "\n".join((str(options["project"]), str(options["group"]), name))
    return hashlib.sha256(key.encode()).hexdigest()[:16]
