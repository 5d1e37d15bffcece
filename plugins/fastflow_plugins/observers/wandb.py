"""Mirrors a run to Weights & Biases."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from fastflow.evaluation import Observer, ObserverSession, SampleRow
from fastflow.sampling import Sample, Video

WAIT = 20  # seconds to wait for W&B at the start and at the end
MODES = ("online", "offline", "shared", "disabled", "dryrun", "run")
HOSTS = ("wandb", "coreweave")  # in the names of the servers


@dataclass(frozen=True, kw_only=True)
class WandB(Observer):
    """Mirrors a run to W&B: configuration, curves, images, a table of decisions, the summary.

    The mode is WANDB_MODE if that is set; otherwise it is online for a user who is logged in, and
    offline for others. Offline runs are written into the run directory, from which `wandb sync`
    uploads them. If W&B cannot be reached within 20 s, or fails, a line says so and the run goes
    on, offline or without it: its results are the same. Install it with
    ``pip install 'fastflow[wandb]'``.

    Args:
        project: the W&B project.
        group: groups runs, for example those of one ablation.
        images: the number of samples, from the first on, whose images or videos are sent.
    """

    project: str = "fastflow"
    group: str | None = None
    images: int = 16

    def __post_init__(self):
        if self.images < 0:
            raise ValueError(f"`images` must be 0 or more, got {self.images}.")
        if not self.project.strip():
            raise ValueError("`project` is empty. Give the name of a W&B project.")

    def open(
        self, run_dir: Path, config: Mapping[str, Any]
    ) -> AbstractContextManager[ObserverSession]:
        if find_spec("wandb") is None:
            raise ValueError(
                "the observer wandb needs a package: pip install 'fastflow[wandb]'. Install it, "
                "or leave `observers` out."
            )
        return _open(self, run_dir, config)


@contextmanager
def _open(recipe: WandB, run_dir: Path, config: Mapping[str, Any]) -> Iterator[ObserverSession]:
    run = _begun(recipe, run_dir, config)
    if run is None:
        yield Mirror(None, 0, run_dir)
        return
    mirror, code = Mirror(run, recipe.images, run_dir), 1
    try:
        yield mirror
        code = 0
    finally:
        mirror.send(lambda: run.finish(exit_code=code))


def _begun(recipe: WandB, run_dir: Path, config: Mapping[str, Any]) -> Any:
    """Returns a run of W&B, offline if it cannot be reached; None if there can be none at all."""
    import wandb

    options = {"silent": True, "console": "off", "init_timeout": WAIT, "finish_timeout": WAIT}
    for mode in dict.fromkeys((_mode(), "offline")):
        try:
            return wandb.init(
                project=recipe.project,
                group=recipe.group,
                name=run_dir.name,
                dir=str(run_dir),
                config=dict(config),
                mode=mode,
                settings=wandb.Settings(**options),
            )
        except Exception as error:  # whatever it is: the run does not need W&B
            if mode != "offline":
                _note(f"W&B cannot be used ({_first_line(error)}): this becomes an offline run.")
                continue
            _note(f"W&B cannot be used ({_first_line(error)}): this run is not mirrored.")
    return None


def _mode() -> Any:
    """Returns WANDB_MODE if it is set; otherwise online if a user is logged in, else offline."""
    mode = os.environ.get("WANDB_MODE", "")
    if mode in MODES:
        return mode
    if mode:
        _note(f"WANDB_MODE must be one of {', '.join(MODES)}, got {mode!r}: taken as offline.")
        return "offline"
    return "online" if os.environ.get("WANDB_API_KEY") or _is_logged_in() else "offline"


def _is_logged_in() -> bool:
    """Returns whether `wandb login` has left a key."""
    own = urlsplit(os.environ.get("WANDB_BASE_URL", "")).hostname
    try:
        hosts = netrc().hosts
    except (OSError, NetrcParseError):
        return False
    return own in hosts or any(name in host for host in hosts for name in HOSTS)


def _note(text: str) -> None:
    tqdm.write(f"fastflow: {text}", file=sys.stderr)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


class Mirror:
    """Sends samples and the summary to a W&B run; once that fails, nothing more.

    Args:
        run: the run of W&B; None to send nothing.
        images: the number of samples, from the first on, whose outputs are sent.
        run_dir: the run directory.
    """

    def __init__(self, run: Any, images: int, run_dir: Path):
        self.run: Any = run
        self.images, self.run_dir = images, run_dir
        self.decisions: list[list[Any]] = []

    def send(self, call: Callable[[], Any]) -> None:
        """Makes a call of W&B, whose failure is noted and ends the mirroring."""
        if self.run is None:
            return
        try:
            call()
        except Exception as error:  # the run goes on without W&B
            self.run = None
            _note(f"W&B failed ({_first_line(error)}): from here on, this run is not mirrored.")

    def sample(
        self,
        sample: Sample,
        reference: Sample | None,
        row: SampleRow,
        rewards: Sequence[float | None],
    ) -> None:
        """Logs calls, seconds and metrics, and the first samples' images."""
        self.send(lambda: self._log(sample, reference, row))
        for seen, reward in zip(sample.feedback.observations, rewards, strict=True):
            if seen.taken:
                line = [row.index, seen.step, seen.arm, seen.error, reward]
                self.decisions.append(line)

    def _log(self, sample: Sample, reference: Sample | None, row: SampleRow) -> None:
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

    def _media(self, output: Any, name: str, caption: str) -> Any:
        """Returns an output in W&B's type; a video is read from its file in the run directory."""
        import wandb

        if isinstance(output, Video):
            return wandb.Video(str(self.run_dir / name), caption=caption, format="mp4")
        return wandb.Image(output, caption=caption)

    def summary(self, summary: Mapping[str, Any], run_dir: Path) -> None:
        """Sends the table of decisions and the summary."""
        self.send(lambda: self._sum_up(summary))

    def _sum_up(self, summary: Mapping[str, Any]) -> None:
        import wandb

        columns: list[Any] = ["sample", "step", "arm", "error", "reward"]
        self.run.log({"decisions": wandb.Table(columns=columns, data=self.decisions)})
        self.run.summary.update(dict(summary))
