"""The settings of a run that belong to no component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from fastflow.errors import UserError
from fastflow.policies.targets import Target

TARGETS = tuple(f.name for f in fields(Target))
UPPER_BOUNDS = {"steps": 10_000, "samples": 1_000_000, "max_batch": 1_000_000}
SEED_BOUND = 2**63  # what torch and JSON readers hold alike
PATHS = ("prompts", "image", "memory", "out", "resume")


@dataclass
class RunSettings:
    """What to generate and where to write it; components are chosen separately.

    Args:
        steps: the number T of time steps.
        speedup: how many times fewer steps to compute than ``steps``, 1 or more; like the next
            three a target, of which at most one is given. It sets the policy's computed steps.
        computed_steps: the number of computed steps, 3 or more.
        quality: ``near_lossless``, ``high`` or ``fast``, each a speed-up.
        max_error: the largest acceptable error of the final latents, as a share.
        samples: the number of samples; if there are fewer prompts, they are repeated with new
            seeds. None: one per prompt (with a benchmark, as many as it prescribes), or 64 of the
            model's own prompts.
        seed: seeds the noise (sample i has ``seed + i``) and the decisions.
        prompt: a single prompt.
        prompts: a text file with one prompt per line, or a ``.jsonl`` file with one object per
            line: ``prompt``, optionally ``image`` (a path relative to the file's folder) and
            ``task``; with a benchmark, the benchmark's own file.
        image: an image to edit, for all prompts without one of their own.
        reference: whether every sample also has a reference run, to compare with.
        max_batch: the largest number of samples computed at once; bounds memory use.
        memory: a memory.json to start from.
        frozen: whether memory is only read: nothing is learned and nothing explored.
        out: the run directory to create; if None, runs/ with time, model and policy.
        resume: a run directory to finish; its own configuration is used.
        force: whether to resume although inputs changed or lines were lost; written down there.
        metrics: names of metrics.
        observers: names of observers that follow the run, such as wandb.
    """

    steps: int = 50
    speedup: float | None = None
    computed_steps: int | None = None
    quality: str | None = None
    max_error: float | None = None
    samples: int | None = None
    seed: int = 0
    prompt: str | None = None
    prompts: str | None = None
    image: str | None = None
    reference: bool = True
    max_batch: int = 8
    memory: str | None = None
    frozen: bool = False
    out: str | None = None
    resume: str | None = None
    force: bool = False
    metrics: list[str] = field(default_factory=list)
    observers: list[str] = field(default_factory=list)

    def __post_init__(self):
        for name in UPPER_BOUNDS:
            check_count(self, name, 1)
        check_seed(self.seed, self.samples or 0)
        self.target()
        check_paths(self)
        check_force(self)
        if self.prompt is not None and not str(self.prompt).strip():
            raise ValueError("`prompt` is empty. Say what to generate.")
        if self.prompt is not None and self.prompts is not None:
            raise ValueError("give `prompt` or `prompts`, not both.")
        if self.image is not None and self.prompt is None and self.prompts is None:
            raise ValueError("`image` needs a `prompt`, or `prompts`: what to do with it.")

    def target(self) -> Target | None:
        """Returns the target; None if none is given.

        Raises:
            ValueError: if several are given, or one is out of range.
        """
        values = {name: getattr(self, name) for name in TARGETS}
        given = {name: value for name, value in values.items() if value is not None}
        return Target(**given) if given else None


def check_count(settings: Any, name: str, least: int, most: int | None = None) -> None:
    """Raises a ValueError for a number, unless it is None, that is too small or far too large."""
    value, most = getattr(settings, name), most or UPPER_BOUNDS[name]
    if value is not None and value < least:
        raise ValueError(f"`{name}` must be {least} or more, got {value}.")
    if value is not None and value > most:
        raise ValueError(f"`{name}` must be at most {most:,}, got {value}.")


def check_seed(seed: int, count: int, name: str = "seed") -> None:
    """Raises a ValueError unless a seed, and those of as many samples after it, can be used."""
    if not 0 <= seed < SEED_BOUND - count:
        raise ValueError(f"`{name}` must be 0 or more, and below 2^63 in all samples, got {seed}.")


def check_paths(settings: Any) -> None:
    """Raises a ValueError for a path that is given but empty."""
    for name in PATHS:
        if getattr(settings, name, None) == "":
            raise ValueError(f"`{name}` is empty. Give a path, or leave it out.")


def check_force(settings: Any) -> None:
    """Raises a ValueError for `force` without a run to resume."""
    if settings.force and settings.resume is None:
        raise ValueError("`force` is for a run that is resumed: give `resume=DIR` with it.")


def with_policy(words: Sequence[str]) -> list[str]:
    """Returns the words of a command line, with a policy for a target that comes without one.

    An experiment may choose the policy, so beside one nothing is added.

    Raises:
        UserError: if the words also give the policy's parameter that the target sets.
    """
    names = [word.partition("=")[0].lstrip("+") for word in words]
    named = [name for name in names if name in TARGETS]
    for name in named:
        parameter = f"policy.{'max_error' if name == 'max_error' else 'computed_steps'}"
        if parameter in names:
            raise UserError(f"`{name}` sets `{parameter}`: give one of them, not both.")
    if not named or {"policy", "experiment"} & set(names):
        return list(words)
    return [f"policy={'bounded' if 'max_error' in named else 'plan'}", *words]
