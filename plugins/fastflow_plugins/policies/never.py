"""Never skip."""

from dataclasses import dataclass

from fastflow.grid import Grid
from fastflow.memory import Memory
from fastflow.policy import Episode, Policy, Unskipped


@dataclass(frozen=True, kw_only=True)
class Never(Policy):
    """Computes every step: bit for bit the model's own pipeline."""

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        return Unskipped()
