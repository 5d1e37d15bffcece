"""Calibration: fits a policy's parameters to reference runs of a model, as a preset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from fastflow.policies.policy import Policy
from fastflow.registry import compose
from fastflow.registry.catalog import installed
from fastflow.registry.compose import Config, build, settings_of
from fastflow.runs.prompts import make_requests
from fastflow.runs.run_settings import TARGETS, RunSettings
from fastflow.sampling.executor import Executor, Worker
from fastflow.sampling.model import FlowModel, Model
from fastflow.sampling.recording import NoProbe, Recording
from fastflow.sampling.request import Request
from fastflow.sampling.storage import write_whole, writing

UNUSED = ("reference", "memory", "frozen", "resume", "metrics", "observers", *TARGETS)  # of a run


def overrides(words: Sequence[str]) -> list[str]:
    """Returns the overrides in a command line such as ``["teacache", "model=flux_mini"]``.

    Raises:
        ValueError: for more than one policy, or a setting that a calibration does not use.
    """
    names = [word for word in words if "=" not in word and not word.startswith("--")]
    if len(names) > 1:
        raise ValueError(f"give one `policy` to calibrate, got {', '.join(names)}.")
    settings = [word for word in words if word not in names]
    for word in settings:
        key = word.partition("=")[0].lstrip("+~")
        if key in UNUSED:
            raise ValueError(f"`{key}` is not used in a calibration. Leave it out.")
    return [*(f"policy={name}" for name in names), *settings]


def calibrate(config: Config) -> str:
    """Records reference runs, fits the policy to them, and returns it as a preset in YAML.

    Raises:
        ValueError: if the configuration is wrong, the policy has no parameters to fit, or the
            model lacks what the policy needs.
    """
    settings, name = settings_of(config, RunSettings), config["names"]["policy"]
    policy: Policy = build("policy", config["policy"])
    if type(policy).calibrated is Policy.calibrated:
        raise ValueError(
            f"the policy {name!r} has no parameters to calibrate. "
            f"These policies can be calibrated: {', '.join(calibratable())}."
        )
    _new_file(settings.out)
    model: Model = build("model", config["model"])
    job = CalibrationJob(policy, settings, model, make_requests(settings, model))
    executor: Executor = build("executor", config["executor"])
    executor.run(job.work, len(job.requests))
    recording = Recording.joined(job.parts)
    fitted = policy.calibrated(recording)
    return as_preset(name, fitted, config["names"]["model"], recording, settings.steps)


def keep_preset(config: Config, text: str) -> None:
    """Writes a fitted preset to the file that the configuration asks for, if it does.

    Raises:
        NotWritten: if it cannot be written; it is what `calibrate` returned.
    """
    path = _new_file(settings_of(config, RunSettings).out)
    if path is not None:
        with writing(path, again="the fit is what was printed."):
            write_whole(path, text)


def calibratable() -> list[str]:
    """Returns the names of the policies that can be calibrated."""
    return [
        entry.name
        for entry in installed().entries
        if entry.kind == "policy" and entry.component.calibrated is not Policy.calibrated
    ]


@dataclass
class CalibrationJob:
    """The reference runs that a policy is fitted to.

    Attributes:
        policy: the policy to fit.
        settings: the settings of the runs.
        model: the model that generates.
        requests: what is generated.
        parts: the recordings made so far, one for each batch.
    """

    policy: Policy
    settings: RunSettings
    model: Model
    requests: list[Request]

    def __post_init__(self):
        self.parts: list[Recording] = []

    def work(self, worker: Worker) -> Iterator[int]:
        """Records the runs batch by batch; yields the number of runs of each batch."""
        if worker.size > 1:
            raise ValueError(
                f"a calibration runs in one process, got {worker.size}. Use executor=inline."
            )
        model = self.model.load(worker.device, worker.dtype)
        self.check_probe(model)
        size = self.settings.max_batch
        for start in range(0, len(self.requests), size):
            batch = self.requests[start : start + size]
            self.parts.append(Recording.make(model, batch, size, keep_signals=False).to("cpu"))
            yield len(batch)

    def check_probe(self, model: FlowModel) -> None:
        """Raises a ValueError, after two steps, if the policy needs a probe the model lacks."""
        short = Recording.make(model, [replace(self.requests[0], steps=2)], 1)
        try:
            self.policy.calibrated(short)
        except NoProbe:
            raise
        except ValueError:  # two steps are too few for a fit
            pass


def as_preset(name: str, fitted: Policy, model: str, recording: Recording, steps: int) -> str:
    """Returns a fitted policy as a preset in YAML; its comments have its origin and its use.

    Args:
        name: the component or preset that was fitted.
        fitted: the fitted policy.
        model: the name of the model.
        recording: the reference runs that it was fitted to.
        steps: the number of steps of these runs.
    """
    default = compose.preset("policy", name)
    values = {f.name: (getattr(fitted, f.name), getattr(default, f.name)) for f in fields(fitted)}
    changed = {key: _plain(value) for key, (value, before) in values.items() if value != before}
    quality = "".join(f", {key} {value:.6g}" for key, value in fitted.quality(recording).items())
    count = len(recording.requests)
    runs = "reference run" if count == 1 else "reference runs"
    body = yaml.safe_dump(changed, default_flow_style=None, sort_keys=False, width=1000)
    use = " ".join(f"'policy.{key}={_word(value)}'" for key, value in changed.items())
    return (
        f"# {name}, fitted to {model}: {count} {runs} of {steps} steps{quality}.\n"
        f"# Use it as conf/policy/NAME.yaml and policy=NAME, or with: policy={name} {use}\n"
        f"defaults:\n  - {name}\n  - _self_\n\n{body}"
    )


def _plain(value: Any) -> Any:
    """Returns a value in YAML types, its numbers with nine digits."""
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _word(value: Any) -> str:
    """Returns a value as it is written on the command line."""
    return f"[{','.join(map(_word, value))}]" if isinstance(value, list) else str(value)


def _new_file(out: str | None) -> Path | None:
    """Returns the path of a file that does not exist yet; None without one.

    Raises:
        ValueError: if it exists, or its folder does not.
    """
    if out is None:
        return None
    path = Path(out)
    if path.exists():
        raise ValueError(
            f"`out` {out!r} exists already, and nothing is overwritten. Choose another name."
        )
    if not path.parent.is_dir():
        raise ValueError(f"`out` {out!r} lies in a folder that does not exist. Make it first.")
    return path
