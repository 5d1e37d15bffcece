"""Static schedules: the computed steps are fixed in advance."""

from collections.abc import Collection
from dataclasses import dataclass

from fastflow.integration import Episode, Grid, StepContext
from fastflow.policies import Memory, Policy


class Schedule(Episode):
    """Computes the given steps, and those that the grid forces."""

    def __init__(self, steps: Collection[int]):
        super().__init__()
        self.steps = steps

    def wants_model(self, context: StepContext) -> bool:
        return context.index in self.steps


@dataclass(frozen=True, kw_only=True)
class Every(Policy):
    """Computes every n-th step, from the first: uniform skipping.

    Args:
        interval: n; 1 never skips.
    """

    interval: int = 2

    def __post_init__(self):
        if self.interval < 1:
            raise ValueError(f"`interval` must be 1 or more, got {self.interval}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return Schedule(frozenset(range(0, grid.steps, self.interval)))


@dataclass(frozen=True, kw_only=True)
class Uniform(Policy):
    """Computes a given number of steps, as evenly spread as whole steps allow.

    Args:
        computed_steps: how many steps are computed, the first and the last included; further
            steps that the grid forces are added. Guidance branches are not counted.
    """

    computed_steps: int = 19

    def __post_init__(self):
        if self.computed_steps < 2:
            raise ValueError(f"`computed_steps` must be 2 or more, got {self.computed_steps}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        check_at_most_all(self.computed_steps, grid)
        return Schedule(spread(0, grid.steps - 1, self.computed_steps))


@dataclass(frozen=True, kw_only=True)
class Piecewise(Policy):
    """Computes every step near both ends of time, and spreads the others over the middle.

    The rate of skipping is piecewise constant, because the velocity changes most at both ends.

    Args:
        computed_steps: how many steps are computed in total.
        first: how many steps are all computed at the noise end.
        last: how many steps are all computed at the data end.
    """

    computed_steps: int = 19
    first: int = 4
    last: int = 3

    def __post_init__(self):
        for name in ("first", "last"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")
        if self.computed_steps < self.first + self.last:
            raise ValueError(
                f"`computed_steps` must be at least `first` + `last` = {self.first} + {self.last}"
                f", got {self.computed_steps}."
            )

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        check_at_most_all(self.computed_steps, grid)
        start, end = self.first - 1, grid.steps - self.last
        middle = spread(start, end, self.computed_steps - self.first - self.last + 2)
        return Schedule(middle | set(range(start)) | set(range(end, grid.steps)))


def check_at_most_all(computed_steps: int, grid: Grid) -> None:
    """Raises a ValueError if more steps are to be computed than the grid has."""
    if computed_steps > grid.steps:
        raise ValueError(
            f"`computed_steps` must be at most {grid.steps} on a grid of {grid.steps} steps, "
            f"got {computed_steps}. Give policy.computed_steps={fewer(grid)}, or more steps."
        )


def fewer(grid: Grid) -> int:
    """Returns half of a grid's steps, at least two: what somebody may want to compute of it."""
    return max(2, grid.steps // 2)


def spread(start: int, end: int, count: int) -> frozenset[int]:
    """Returns ``count`` whole numbers from start to end, as evenly spread as possible."""
    gaps = max(count - 1, 1)
    return frozenset(start + round(i * (end - start) / gaps) for i in range(count))


@dataclass(frozen=True, kw_only=True)
class Listed(Policy):
    """Computes the listed steps, the first, the last and those that the grid forces.

    Args:
        steps: 0-based indices of the steps to compute.
    """

    steps: tuple[int, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "steps", tuple(self.steps))
        if any(k < 0 for k in self.steps):
            raise ValueError(f"`steps` must be 0 or more, got {list(self.steps)}.")

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        beyond = [k for k in self.steps if k >= grid.steps]
        if beyond:
            raise ValueError(
                f"`steps` {beyond} lie beyond a grid of {grid.steps} steps, whose last is "
                f"{grid.steps - 1}."
            )
        return Schedule(frozenset(self.steps))
