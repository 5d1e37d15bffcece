"""The settings of a comparison that belong to no component."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

from fastflow.runs.run_settings import (
    UPPER_BOUNDS,
    check_count,
    check_force,
    check_paths,
    check_seed,
)

BOUNDS = {
    "samples": (1, UPPER_BOUNDS["samples"]),
    "tuning": (1, UPPER_BOUNDS["samples"]),
    "live": (1, UPPER_BOUNDS["samples"]),
    "max_batch": (1, UPPER_BOUNDS["max_batch"]),
    "converged_steps": (0, 10 * UPPER_BOUNDS["steps"]),
    "pairs": (0, 1000),
    "examples": (0, UPPER_BOUNDS["samples"]),
    "steps": (2, UPPER_BOUNDS["steps"]),
}
MOST_SEEDS = 1000


@dataclass
class ComparisonSettings:
    """What to compare, on which samples, and where to write it.

    The parameters of the methods are set separately.

    Args:
        methods: names of methods or presets of `conf/method`; all in `groups` but those in
            `on_request` if None.
        groups: names of methods by the group they are shown in. The methods in ``ours`` are
            compared with all others, except ``oracle`` and ``negative control``.
        on_request: names of methods that are compared only if `methods` names them, because they
            learn for long or are level with another.
        targets: the numbers of computed steps at which the methods are compared.
        steps: the number T of time steps of the reference run.
        samples: the number of samples that are measured.
        tuning: the number of other samples, on which knobs are tuned and methods learn.
        live: the number of those used for tuning where every try has to run the network.
        seed: seeds the noise (sample i has ``seed + i``) and the decisions.
        seeds: how often everything is repeated, tuning included, each time with noise and
            decisions of its own; or a list of seeds, which replaces `seed`. A number takes seeds
            from `seed` on that are 1,000 apart, or as many thousands as no noise is shared. Seeds
            in a list have to be `samples` + `tuning` apart.
        prompt: a single prompt.
        prompts: a file of prompts, as for `sample`; its last part is reserved for tuning.
        image: an image to edit, for all prompts without one of their own.
        converged_steps: the number of steps of the converged run; 0 leaves it out.
        pairs: how often each method is timed, each time paired with a reference run; 0 for never.
        examples: the number of samples whose outputs are kept of each method.
        max_batch: the largest number of samples computed at once.
        out: the directory to create; if None, runs/ with time and model.
        resume: a comparison's directory to finish; its own configuration is used.
        force: whether to resume although inputs changed; written down there.
        metrics: names of metrics.
        observers: names of observers that receive the results, such as wandb.
    """

    retired: ClassVar[tuple[str, ...]] = ("workers", "device", "dtype")  # of 0.1; `executor` now

    methods: list[str] | None = None
    groups: dict[str, list[str]] = field(default_factory=dict)
    on_request: list[str] = field(default_factory=list)
    targets: list[int] = field(default_factory=lambda: [25, 19, 14, 10])
    steps: int = 50
    samples: int = 64
    tuning: int = 24
    live: int = 3
    seed: int = 0
    seeds: Any = 1
    prompt: str | None = None
    prompts: str | None = None
    image: str | None = None
    converged_steps: int = 400
    pairs: int = 3
    examples: int = 4
    max_batch: int = 8
    out: str | None = None
    resume: str | None = None
    force: bool = False
    metrics: list[str] = field(default_factory=list)
    observers: list[str] = field(default_factory=list)

    def __post_init__(self):
        check_paths(self)
        check_force(self)
        for name, (least, most) in BOUNDS.items():
            check_count(self, name, least, most)
        if not self.targets:
            raise ValueError(
                "`targets` is empty. Give the numbers of computed steps to compare at."
            )
        for target in self.targets:
            if not 2 <= target <= self.steps:
                raise ValueError(
                    f"`targets` must be from 2 to `steps` = {self.steps}, got {target}."
                )

        self._check_seeds()

    def _check_seeds(self) -> None:
        listed = self.seeds if isinstance(self.seeds, list | tuple) else [self.seeds]
        whole = all(isinstance(s, int) and not isinstance(s, bool) for s in listed)
        if not (listed and whole) or (listed[0] is self.seeds and listed[0] < 1):
            raise ValueError(
                "`seeds` must be a number of repetitions, 1 or more, or a list of seeds, got "
                f"{self.seeds!r}."
            )
        if isinstance(self.seeds, int) and self.seeds > MOST_SEEDS:
            raise ValueError(f"`seeds` must be at most {MOST_SEEDS:,}, got {self.seeds}.")
        for seed in self.every_seed():
            check_seed(seed, self.noises, "seed" if isinstance(self.seeds, int) else "seeds")
        for a, b in pairwise(sorted(self.every_seed())):
            if b - a < self.noises:
                raise ValueError(
                    f"`seeds` must be {self.noises} (`samples` + `tuning`) or more apart, got {a} "
                    f"and {b}: sample i has noise seed `seed + i`, so they would share noise."
                )

    @property
    def noises(self) -> int:
        """The number of noises that one repetition uses, from its seed on."""
        return self.samples + self.tuning

    def every_seed(self) -> list[int]:
        """Returns the seed of each repetition, the first one first."""
        if not isinstance(self.seeds, int):
            return list(self.seeds)
        apart = 1000 * -(-self.noises // 1000)
        return [self.seed + i * apart for i in range(self.seeds)]

    def names(self) -> list[str]:
        """Returns the names of the methods to compare, each once.

        Raises:
            ValueError: if there are none.
        """
        named = self.methods
        if named is None:
            grouped = [name for names in self.groups.values() for name in names]
            named = [name for name in grouped if name not in self.on_request]
        if not named:
            raise ValueError(
                "`methods` is empty. Leave it out to compare all methods in `groups`."
            )
        return list(dict.fromkeys(named))

    def group_of(self, name: str) -> str:
        """Returns the group that a method is shown in."""
        return next((g for g, names in self.groups.items() if name in names), "others")
