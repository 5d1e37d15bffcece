"""Static schedules: which steps are computed is known beforehand."""

from dataclasses import dataclass

from fastflow.policy import Episode, Policy


class Schedule(Episode):
    """Computes the given steps, and those that have to be."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def wants_model(self, now):
        return now.index in self.steps


@dataclass(frozen=True, kw_only=True)
class Every(Policy):
    """Computes every n-th step: uniform skipping.

    Args:
        interval: n; 1 never skips.
    """

    interval: int = 2

    def __post_init__(self):
        if self.interval < 1:
            raise ValueError(f"`interval` must be 1 or more, got {self.interval}.")

    def begin(self, grid, memory):
        return Schedule(frozenset(range(0, grid.steps, self.interval)))


@dataclass(frozen=True, kw_only=True)
class Listed(Policy):
    """Computes the listed steps, the first, the last and those the model demands.

    Args:
        steps: 0-based indices of the steps to compute.
    """

    steps: tuple[int, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "steps", tuple(self.steps))
        if any(k < 0 for k in self.steps):
            raise ValueError(f"`steps` must be 0 or more, got {list(self.steps)}.")

    def begin(self, grid, memory):
        beyond = [k for k in self.steps if k >= grid.steps]
        if beyond:
            raise ValueError(
                f"`steps` {beyond} lie beyond a grid of {grid.steps} steps, whose last is "
                f"{grid.steps - 1}."
            )
        return Schedule(frozenset(self.steps))
