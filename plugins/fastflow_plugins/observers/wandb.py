"""Mirrors a run to Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fastflow.evaluation import Observer, ObserverSession, SampleRow
from fastflow.sampling import Sample, Video


@dataclass(frozen=True, kw_only=True)
class WandB(Observer):
    """Mirrors a run to W&B: configuration, curves, images, a table of decisions, the summary.

    The mode is WANDB_MODE if that is set; otherwise it is online for a user who is logged in, and
    offline for others. Offline runs are written into the run directory, from which `wandb sync`
    uploads them.

    Args:
        project: the W&B project.
        group: groups runs, for example those of one ablation.
        images: the number of samples, from the first on, whose images or videos are sent.
    """

    project: str = "fastflow"
    group: str | None = None
    images: int = 16

    def open(
        self, run_dir: Path, config: Mapping[str, Any]
    ) -> AbstractContextManager[ObserverSession]:
        return _open(self, run_dir, config)


@contextmanager
def _open(recipe: WandB, run_dir: Path, config: Mapping[str, Any]) -> Iterator[ObserverSession]:
    import wandb

    run = wandb.init(
        project=recipe.project,
        group=recipe.group,
        name=run_dir.name,
        dir=str(run_dir),
        config=dict(config),
        mode=_mode(),
        settings=wandb.Settings(silent=True, console="off"),
    )
    code = 1
    try:
        yield Mirror(run, recipe.images, run_dir)
        code = 0
    finally:
        run.finish(exit_code=code)


def _mode() -> Any:
    """Returns WANDB_MODE if it is set; otherwise online if a user is logged in, else offline."""
    import wandb

    return os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")


class Mirror:
    """Sends samples and the summary to a W&B run."""

    def __init__(self, run: Any, images: int, run_dir: Path):
        self.run, self.images, self.run_dir = run, images, run_dir
        self.decisions: list[list[Any]] = []

    def sample(
        self,
        sample: Sample,
        reference: Sample | None,
        row: SampleRow,
        rewards: Sequence[float | None],
    ) -> None:
        """Logs calls, seconds and metrics, and the first samples' images."""
        seconds = {f"seconds/{name}": value for name, value in asdict(row.seconds).items()}
        log: dict[str, Any] = {"sample": row.index, "calls": row.calls}
        log |= {**row.metrics, **seconds}
        if row.index < self.images and sample.output is not None:
            kept = [
                (sample.output, row.image),
                (reference and reference.output, row.image_full),
            ]
            shown = [
                self._media(output, str(name), row.prompt)
                for output, name in kept
                if output is not None
            ]
            log["videos" if isinstance(sample.output, Video) else "images"] = shown
        self.run.log(log)
        for seen, reward in zip(sample.feedback.observations, rewards, strict=True):
            if seen.taken:
                line = [row.index, seen.step, seen.arm, seen.error, reward]
                self.decisions.append(line)

    def _media(self, output: Any, name: str, caption: str) -> Any:
        """Returns an output in W&B's type; a video is read from its file in the run directory."""
        import wandb

        if isinstance(output, Video):
            return wandb.Video(str(self.run_dir / name), caption=caption, format="mp4")
        return wandb.Image(output, caption=caption)

    def summary(self, summary: Mapping[str, Any], run_dir: Path) -> None:
        """Sends the table of decisions and the summary."""
        import wandb

        columns: list[Any] = ["sample", "step", "arm", "error", "reward"]
        self.run.log({"decisions": wandb.Table(columns=columns, data=self.decisions)})
        self.run.summary.update(dict(summary))
