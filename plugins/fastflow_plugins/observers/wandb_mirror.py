"""Sends a run in progress to W&B: curves and images as samples finish, the rest at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from fastflow.evaluation import SampleRow
from fastflow.sampling import Sample, Video
from fastflow_plugins.observers.wandb_comparison import comparison_log, comparison_summary
from fastflow_plugins.observers.wandb_files import run_artifacts
from fastflow_plugins.observers.wandb_start import first_line, note_line
from fastflow_plugins.observers.wandb_tables import run_tables, wandb_media


class Mirror:
    """Sends samples and the summary to a W&B run; once that fails, nothing more.

    Curves are over the sample's number and leave the summary alone, which holds the numbers of
    the whole run.

    Args:
        run: the run of W&B; None to send nothing.
        run_dir: the run directory.
        images: the number of samples, from the first on, whose outputs are sent.
        kept: the kinds of artifacts to keep.
        learned: names what is learned: the model and the policy.
    """

    def __init__(
        self, run: Any, run_dir: Path, images: int, kept: Sequence[str] = (), learned: str = ""
    ):
        self.run: Any = run
        self.images, self.run_dir, self.kept, self.learned = images, run_dir, kept, learned
        self.defined: set[str] = set()

    def send(self, call: Callable[[], Any]) -> None:
        """Makes a call of W&B, whose failure is noted and ends the mirroring."""
        if self.run is None:
            return
        try:
            call()
        except Exception as error:  # the run goes on without W&B
            self.run = None
            note_line(f"W&B failed ({first_line(error)}): from here on, this run is not mirrored.")

    def sample(
        self,
        sample: Sample,
        reference: Sample | None,
        row: SampleRow,
        rewards: Sequence[float | None],
    ) -> None:
        """Logs calls, seconds, metrics and the mean reward, and the first samples' images."""
        self.send(lambda: self._log(sample, row, [r for r in rewards if r is not None]))

    def _log(self, sample: Sample, row: SampleRow, rewards: Sequence[float]) -> None:
        log: dict[str, Any] = {"sample": row.index, "calls": row.calls}
        log |= {f"seconds/{name}": value for name, value in asdict(row.seconds).items()}
        log |= {name: value for name, value in row.metrics.items() if math.isfinite(value)}
        if rewards:
            log["reward"] = fmean(rewards)
        self._define(log.keys(), "sample")
        if row.index < self.images and sample.output is not None:
            shown = [
                wandb_media(self.run_dir, name, row.prompt) for name in (row.image, row.image_full)
            ]
            kind = "videos" if isinstance(sample.output, Video) else "images"
            log[kind] = [one for one in shown if one is not None]
        self.run.log(log)

    def _define(self, names: Any, axis: str) -> None:
        """Makes names curves over an axis that do not end up in the summary."""
        for name in sorted(set(names) - self.defined):
            over = {} if name == axis else {"step_metric": axis}
            self.run.define_metric(name, summary="none", **over)
        self.defined |= set(names)

    def summary(self, summary: Mapping[str, Any], run_dir: Path) -> None:
        """Sends the tables, the summary and the artifacts."""
        is_comparison = (run_dir / "comparison.json").is_file()
        self.send(lambda: (self._compared if is_comparison else self._finished)(summary))
        for kind in self.kept:
            self.send(lambda kind=kind: self._keep(kind))

    def _finished(self, summary: Mapping[str, Any]) -> None:
        self.run.log(run_tables(self.run_dir, self.images))
        self.run.summary.update(dict(summary))

    def _compared(self, results: Mapping[str, Any]) -> None:
        curves, tables = comparison_log(self.run_dir, self.images)
        for curve in curves:
            self._define(curve.keys(), "target")
            self.run.log(curve)
        self.run.log(tables)
        self.run.summary.update(comparison_summary(results))

    def _keep(self, kind: str) -> None:
        for artifact in run_artifacts(self.run, self.run_dir, kind, self.learned, self.images):
            self.run.log_artifact(artifact)
