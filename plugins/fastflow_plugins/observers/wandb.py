"""Mirrors runs, comparisons and studies to Weights & Biases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastflow.evaluation import FinishedRun, Observer, ObserverSession
from fastflow_plugins.observers.wandb_mirror import Mirror
from fastflow_plugins.observers.wandb_start import (
    begun,
    kept_here,
    remember,
    remembered,
    wandb_mode,
)
from fastflow_plugins.observers.wandb_study import mirror_runs

_ARTIFACTS = ("memory", "plan", "report", "directory")
_LONGEST_TAG = 64  # letters, which is W&B's bound


@dataclass(frozen=True, kw_only=True)
class WandB(Observer):
    """Mirrors a run to W&B: configuration, curves, images side by side, decisions, files.

    Runs are offline, in the run directory, from where ``wandb sync`` uploads them, unless
    `online` is set, WANDB_MODE says otherwise, or ``wandb agent`` started the run. Nothing is sent
    without a login. What cannot be reached within 20 s, or fails, becomes an offline run, and a
    line says so; the results are the same. A resumed run goes on as the same run of W&B, whose id
    is in the run directory's wandb.json. Install it with ``pip install 'fastflow[wandb]'``.

    Args:
        project: the W&B project.
        group: groups runs, for example those of one ablation.
        job_type: the kind of run within a group; None for ``sample`` or ``compare``.
        tags: short texts to filter runs by.
        online: whether the run is sent while it is in progress.
        images: the number of samples, from the first on, whose images or videos are sent.
        artifacts: what is kept as artifacts, of memory, plan, report and directory.
    """

    project: str = "fastflow"
    group: str | None = None
    job_type: str | None = None
    tags: tuple[str, ...] = ()
    online: bool = False
    images: int = 16
    artifacts: tuple[str, ...] = _ARTIFACTS

    def __post_init__(self):
        for name in ("tags", "artifacts"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.images < 0:
            raise ValueError(f"`images` must be 0 or more, got {self.images}.")
        if not self.project.strip():
            raise ValueError("`project` is empty. Give the name of a W&B project.")
        if wrong := [tag for tag in self.tags if not 0 < len(str(tag).strip()) <= _LONGEST_TAG]:
            raise ValueError(
                f"`tags` must have 1 to {_LONGEST_TAG} letters each, got {wrong[0]!r}."
            )
        if wrong := [name for name in self.artifacts if name not in _ARTIFACTS]:
            raise ValueError(f"`artifacts` must be of {', '.join(_ARTIFACTS)}, got {wrong[0]!r}.")

    def open(
        self, run_dir: Path, config: Mapping[str, Any]
    ) -> AbstractContextManager[ObserverSession]:
        _check_installed()
        return _open(self, run_dir, config)

    def mirror(self, runs: Sequence[FinishedRun], folder: Path) -> None:
        _check_installed()
        if not (self.group or "").strip():
            raise ValueError("`group` is missing: the runs of a study are mirrored as one group.")
        kind = self.job_type or "study"
        options = {"project": self.project, "group": self.group, "tags": self.tags}
        mode = wandb_mode(self.online)
        folder.mkdir(
            parents=True, exist_ok=True
        )  # else W&B writes into the system's temporary one
        with kept_here(folder, mode):
            mirror_runs(runs, folder, options | {"job_type": kind}, mode)


def _check_installed() -> None:
    if find_spec("wandb") is None:
        raise ValueError(
            "the observer wandb needs a package: pip install 'fastflow[wandb]'. Install it, "
            "or leave `observers` out."
        )


@contextmanager
def _open(recipe: WandB, run_dir: Path, config: Mapping[str, Any]) -> Iterator[ObserverSession]:
    options: dict[str, Any] = {"project": recipe.project, "group": recipe.group}
    options["job_type"] = recipe.job_type or ("compare" if "methods" in config else "sample")
    options |= {"tags": recipe.tags, "name": run_dir.resolve().name, "config": dict(config)}
    own, mode = remembered(run_dir, recipe.project), wandb_mode(recipe.online)
    options |= {"id": own} if own else {}
    names = config.get("names", {})
    learned = f"{names.get('model')}-{names.get('policy')}"
    with kept_here(run_dir, mode):
        run, code = begun(run_dir, mode, options), 1
        mirror = Mirror(run, run_dir, recipe.images, recipe.artifacts, learned)
        mirror.send(lambda: remember(run_dir, run.id, recipe.project))
        try:
            yield mirror
            code = 0
        finally:
            mirror.send(lambda: run.finish(exit_code=code))
