"""The settings of a comparison that belong to no component."""

from __future__ import annotations

import multiprocessing
import sys
from dataclasses import dataclass, field


@dataclass
class ComparisonSettings:
    """What to compare, on what, and where to write it; the methods' own parameters are beside.

    Args:
        methods: names of methods or presets of `conf/method`; all in `groups` if None.
        groups: names of methods by the group they are shown in. Those in ``ours`` are set against
            all others but ``oracle`` and ``negative control``.
        targets: the numbers of computed steps that every method is brought to.
        steps: the number T of time steps of the full run.
        samples: how many samples are measured.
        tuning: on how many other samples knobs are searched and methods learn.
        live: on how many of those knobs are searched where that takes the network.
        seed: seeds noise (sample i has ``seed + i``) and decisions.
        prompt: a single prompt.
        prompts: a file of prompts, as `sample` takes it; its last part is kept for tuning.
        image: a picture to edit; for all prompts that bring none of their own.
        converged_steps: how many steps the converged reference takes; 0 leaves it out.
        pairs: how often each method is timed, each time beside a full run; 0 times nothing.
        examples: how many samples' images are kept of each method.
        max_batch: how many samples are under way at once.
        workers: how many processes share the rows, method by method; only on a CPU.
        device: a torch device.
        dtype: a torch floating dtype for the model.
        out: the directory to make; named after time and model under runs/ if None.
        resume: a comparison's directory to finish; its own configuration is used.
        metrics: names of metrics.
        observers: names of observers that mirror the result, such as wandb.
    """

    methods: list[str] | None = None
    groups: dict[str, list[str]] = field(default_factory=dict)
    targets: list[int] = field(default_factory=lambda: [25, 19, 14, 10])
    steps: int = 50
    samples: int = 64
    tuning: int = 24
    live: int = 3
    seed: int = 0
    prompt: str | None = None
    prompts: str | None = None
    image: str | None = None
    converged_steps: int = 400
    pairs: int = 3
    examples: int = 4
    max_batch: int = 8
    workers: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    out: str | None = None
    resume: str | None = None
    metrics: list[str] = field(default_factory=list)
    observers: list[str] = field(default_factory=list)

    def __post_init__(self):
        for name in ("samples", "tuning", "live", "max_batch", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")
        for name in ("converged_steps", "pairs", "examples"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be 0 or more, got {getattr(self, name)}.")
        if self.steps < 2:
            raise ValueError(f"`steps` must be 2 or more, got {self.steps}.")
        if self.workers > 1 and self.device != "cpu":
            raise ValueError(
                f"`workers` must be 1 on {self.device!r}, got {self.workers}: only on a CPU can "
                "processes share a model."
            )
        if self.workers > 1 and "fork" not in multiprocessing.get_all_start_methods():
            raise ValueError(f"`workers` must be 1 on {sys.platform}: it cannot fork processes.")
        if not self.targets:
            raise ValueError("`targets` is empty. Say to which numbers of calls methods go.")
        for target in self.targets:
            if not 2 <= target <= self.steps:
                raise ValueError(
                    f"`targets` must be from 2 to `steps` = {self.steps}, got {target}."
                )

    def names(self) -> list[str]:
        """Returns the names of the methods that take part, each once.

        Raises:
            ValueError: if there are none.
        """
        named = self.methods
        if named is None:
            named = [name for names in self.groups.values() for name in names]
        if not named:
            raise ValueError("`methods` is empty. Leave it out, and all in `groups` take part.")
        return list(dict.fromkeys(named))

    def group_of(self, name: str) -> str:
        """Returns the group a method is shown in."""
        return next((g for g, names in self.groups.items() if name in names), "others")
