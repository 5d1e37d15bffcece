"""What trained solvers have in common: how they are trained, and the file that keeps them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from fastflow.evaluation import Bench
from fastflow_plugins.methods.published import Scheduled
from fastflow_plugins.methods.trained.solver_file import find_solver, keep_solver


@dataclass(frozen=True, kw_only=True)
class TrainedSolver(Scheduled):
    """Trains a solver for one number of computed steps, or takes it from a file.

    Args:
        computed_steps: how many velocities are computed.
        file: a JSON file of trained solvers. One that is found there is not trained again, and
            one that is trained is added; none is read or written if empty.
        pairs: how many pairs of noise and full run there are.
        validation: how many of them choose the best iteration.
        iterations: the number of steps of the optimiser.
        batch: how many pairs each step takes.
        rate: the optimiser's first rate.
        seed: seeds the order of the pairs.
    """

    file: str = ""
    pairs: int = 64
    validation: int = 16
    iterations: int = 150
    batch: int = 4
    rate: float = 1e-3
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name in ("pairs", "iterations", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")
        if not 1 <= self.validation < self.pairs:
            raise ValueError(
                f"`validation` must be from 1 to {self.pairs - 1}, got {self.validation}."
            )
        if not self.rate > 0:
            raise ValueError(f"`rate` must be above 0, got {self.rate}.")

    def fallback(self) -> None:
        """Returns None: a solver that was trained and validated on its own runs stays itself."""

    def trained(self, name: str, bench: Bench) -> dict[str, Any]:
        """Returns what was learned: from the file if it is there, else trained and added to it.

        Args:
            name: the name of the method in the file.
            bench: the model and the tuning runs.
        """
        content = find_solver(self.file, name, self.computed_steps, bench)
        if not content:
            content = self._train(bench)
            keep_solver(self.file, name, self.computed_steps, bench, content)
        return content

    @abstractmethod
    def _train(self, bench: Bench) -> dict[str, Any]:
        """Trains the solver; returns its numbers, and ``samples``, ``calls`` and ``facts``."""
