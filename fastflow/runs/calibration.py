"""Calibration: a policy's parameters, fitted to full runs of a model, as a preset."""

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
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling.executor import Executor, Worker
from fastflow.sampling.model import FlowModel, Model
from fastflow.sampling.recording import NoProbe, Recording
from fastflow.sampling.request import Request
from fastflow.sampling.storage import write_whole, writing

FOREIGN = ("reference", "memory", "frozen", "resume", "metrics", "observers")  # of a run


def overrides(words: Sequence[str]) -> list[str]:
    """Returns the overrides in a command line such as ``["teacache", "model=flux_mini"]``.

    Raises:
        ValueError: for more than one policy, or a setting that plays no part here.
    """
    names = [word for word in words if "=" not in word and not word.startswith("--")]
    if len(names) > 1:
        raise ValueError(f"give one policy to calibrate, got {', '.join(names)}.")
    settings = [word for word in words if word not in names]
    for word in settings:
        key = word.partition("=")[0].lstrip("+~")
        if key in FOREIGN:
            raise ValueError(f"`{key}` plays no part in a calibration. Leave it out.")
    return [*(f"policy={name}" for name in names), *settings]


def calibrate(config: Config) -> str:
    """Records full runs, fits the policy to them, and returns it as a preset in YAML.

    Raises:
        ValueError: for anything wrong with the configuration, if the policy has nothing to fit,
            or if the model lacks what it needs.
    """
    plan, name = settings_of(config, RunSettings), config["names"]["policy"]
    policy: Policy = build("policy", config["policy"])
    if type(policy).calibrated is Policy.calibrated:
        raise ValueError(
            f"the policy {name!r} has nothing to calibrate: it takes its parameters as given. "
            f"These can be calibrated: {', '.join(calibratable())}."
        )
    path = _new_file(plan.out)
    adapter: Model = build("model", config["model"])
    recorded = Recorded(policy, plan, adapter, make_requests(plan, adapter))
    trainer: Executor = build("executor", config["executor"])
    trainer.run(recorded.work, len(recorded.requests))
    recording = Recording.joined(recorded.parts)
    fitted = policy.calibrated(recording)
    text = as_preset(name, fitted, config["names"]["model"], recording, plan.steps)
    if path is not None:
        with writing(path):
            write_whole(path, text)
    return text


def calibratable() -> list[str]:
    """Returns the names of the policies that have something to calibrate."""
    return [
        entry.name
        for entry in installed().entries
        if entry.kind == "policy" and entry.component.calibrated is not Policy.calibrated
    ]


@dataclass
class Recorded:
    """The full runs that a policy is fitted to, as far as they are made."""

    policy: Policy
    plan: RunSettings
    adapter: Model
    requests: list[Request]

    def __post_init__(self):
        self.parts: list[Recording] = []

    def work(self, place: Worker) -> Iterator[int]:
        """Makes them, a batch at a time; yields how many were made."""
        if place.size > 1:
            raise ValueError(
                f"a calibration runs in one process, got {place.size}. Use executor=inline."
            )
        model = self.adapter.load(place.device, place.dtype)
        self.try_out(model)
        size = self.plan.max_batch
        for start in range(0, len(self.requests), size):
            batch = self.requests[start : start + size]
            self.parts.append(Recording.make(model, batch, size, keep_signals=False).to("cpu"))
            yield len(batch)

    def try_out(self, model: FlowModel) -> None:
        """Finds out in two steps whether the policy needs a probe that the model has not."""
        short = Recording.make(model, [replace(self.requests[0], steps=2)], 1)
        try:
            self.policy.calibrated(short)
        except NoProbe:
            raise
        except ValueError:  # two steps are not enough to fit anything
            pass


def as_preset(name: str, fitted: Policy, model: str, recording: Recording, steps: int) -> str:
    """Returns a policy as a preset in YAML, with what it was fitted to and how to use it.

    Args:
        name: the component or preset that it was fitted from.
        fitted: the policy.
        model: the name of the model.
        recording: what it was fitted to.
        steps: of the recorded runs.
    """
    usual = compose.preset("policy", name)
    values = {f.name: (getattr(fitted, f.name), getattr(usual, f.name)) for f in fields(fitted)}
    changed = {key: _plain(value) for key, (value, before) in values.items() if value != before}
    quality = "".join(f", {key} {value:.6g}" for key, value in fitted.quality(recording).items())
    count = len(recording.requests)
    runs = "full run" if count == 1 else "full runs"
    body = yaml.safe_dump(changed, default_flow_style=None, sort_keys=False, width=1000)
    use = " ".join(f"'policy.{key}={_word(value)}'" for key, value in changed.items())
    return (
        f"# {name}, fitted to {model}: {count} {runs} of {steps} steps{quality}.\n"
        f"# Use it as conf/policy/NAME.yaml and policy=NAME, or with: policy={name} {use}\n"
        f"defaults:\n  - {name}\n  - _self_\n\n{body}"
    )


def _plain(value: Any) -> Any:
    """Returns a value in types that YAML knows, its numbers with nine digits."""
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _word(value: Any) -> str:
    """Returns a value as it is written on the command line."""
    return f"[{','.join(map(_word, value))}]" if isinstance(value, list) else str(value)


def _new_file(out: str | None) -> Path | None:
    """Returns the path of a file that can be made.

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
