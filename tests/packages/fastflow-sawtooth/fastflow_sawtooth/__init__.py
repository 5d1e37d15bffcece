"""A policy for fastflow, in a package of its own."""

from dataclasses import dataclass

from fastflow import Policy, hookimpl
from fastflow.integration import Episode


@dataclass(frozen=True, kw_only=True)
class Sawtooth(Policy):
    """Skips 0, 1, 2, ... steps up to a peak, then starts again.

    Args:
        peak: the longest skip.
    """

    peak: int = 3

    def __post_init__(self):
        if self.peak < 0:
            raise ValueError(f"`peak` must be 0 or more, got {self.peak}.")

    def begin(self, grid, memory):
        return Teeth(self.peak)


class Teeth(Episode):
    """The skips of one trajectory."""

    def __init__(self, peak):
        super().__init__()
        self.peak, self.skip = peak, 0

    def wants_model(self, context):
        if context.streak < self.skip:
            return False
        self.skip = (self.skip + 1) % (self.peak + 1)
        return True


@hookimpl
def fastflow_policies():
    return {"sawtooth": Sawtooth}
