"""Targets: how much to compute, in terms that mean the same for every model."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral, Real

from fastflow.integration.grid import FEW_STEPS, Grid
from fastflow.policies.policy import Policy

QUALITIES = {"near_lossless": 2.0, "high": 2.6, "fast": 5.0}  # steps over computed steps
FEWEST_COMPUTED = 3  # both ends and one step in between
_KINDS = {"speedup": (Real, "a number"), "computed_steps": (Integral, "a whole number")}
_KINDS |= {"max_error": _KINDS["speedup"], "quality": (str, "a name")}


@dataclass(frozen=True, kw_only=True)
class Target:
    """States how much to compute; exactly one of its fields is given.

    Args:
        speedup: the number of steps over the number of computed steps, 1 or more.
        computed_steps: the number of computed steps, 3 or more; guidance branches are not counted.
        max_error: the largest acceptable error of the final latents, as a share: the root mean
            square difference from those of the full run over their own root mean square.
        quality: a name in `QUALITIES`, each of which stands for a speed-up.

    Raises:
        ValueError: if none or several are given, or one is out of range or of another type.
    """

    speedup: float | None = None
    computed_steps: int | None = None
    max_error: float | None = None
    quality: str | None = None

    def __post_init__(self):
        if len(self.given) != 1:
            got = " and ".join(f"{k}={v!r}" for k, v in self.given.items()) or "none"
            raise ValueError(
                "give one target, `speedup`, `computed_steps`, `max_error` or `quality`: "
                f"got {got}."
            )
        (name,) = self.given
        _check_kind(name, self.given[name])
        if self.speedup is not None and not 1 <= self.speedup < math.inf:
            raise ValueError(f"`speedup` must be 1 or more, got {self.speedup}.")
        if self.computed_steps is not None and self.computed_steps < FEWEST_COMPUTED:
            raise ValueError(
                f"`computed_steps` must be {FEWEST_COMPUTED} or more, got {self.computed_steps}: "
                "the first and the last step are always computed, and one in between."
            )
        if self.max_error is not None and not 0 < self.max_error < math.inf:
            raise ValueError(
                f"`max_error` must be above 0, got {self.max_error}. It is a share: 0.02 stands "
                "for final latents that differ by 2 % from those of the full run."
            )
        if self.quality is not None and self.quality not in QUALITIES:
            raise ValueError(
                f"`quality` must be {', '.join(list(QUALITIES)[:-1])} or {list(QUALITIES)[-1]}, "
                f"got {self.quality!r}."
            )

    @property
    def given(self) -> dict[str, float | int | str]:
        """The fields that are given, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def policy(self) -> str:
        """The name of the policy that is used if none is chosen."""
        return "plan" if self.max_error is None else "bounded"

    @property
    def parameter(self) -> str:
        """The parameter of a policy that the target sets."""
        return "computed_steps" if self.max_error is None else "max_error"

    def steps(self, grid: Grid) -> int:
        """Returns the number of computed steps on a grid.

        A speed-up is rounded to whole steps; at least three are computed, and those that the grid
        forces.

        Raises:
            ValueError: if the target cannot be had on this grid.
        """
        self._check(grid)
        if self.computed_steps is not None:
            return self.computed_steps
        ratio = QUALITIES[self.quality] if self.quality else self.speedup or 1.0
        forced = sum(grid.is_forced(k) for k in range(grid.steps))
        return min(max(round(grid.steps / ratio), forced, FEWEST_COMPUTED), grid.steps)

    def _check(self, grid: Grid) -> None:
        if self.computed_steps is not None and self.computed_steps > grid.steps:
            raise ValueError(
                f"`computed_steps` must be at most {grid.steps} on a grid of {grid.steps} steps, "
                f"got {self.computed_steps}. Ask for fewer, or for a `speedup`, which means "
                "something on every grid."
            )
        if self.quality is not None and grid.steps <= FEW_STEPS:
            raise ValueError(
                f"`quality` {self.quality!r} cannot be kept on a grid of {grid.steps} steps, "
                "where any skip shows. Ask for a `speedup` or `computed_steps` to skip all the "
                "same."
            )

    def check_policy(self, policy: Policy) -> None:
        """Raises a ValueError if a policy has no parameter for the target."""
        if self.parameter not in {f.name for f in fields(policy)}:
            (name,) = self.given
            some = "plan, halving or uniform" if self.parameter == "computed_steps" else "bounded"
            raise ValueError(
                f"`{name}` sets a policy's `{self.parameter}`, which {type(policy).__name__} does "
                f"not have. Choose no policy, or {some}."
            )


def _check_kind(name: str, value: object) -> None:
    """Raises a ValueError if a target is of a type that it cannot be compared in."""
    kind, wanted = _KINDS[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"`{name}` must be {wanted}, got {value!r:.60}.")
