"""The shortest path over the steps, with optimistic costs of its gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastflow.integration import Episode, Grid, StepContext, Unskipped
from fastflow.policies import BanditMemory, Drift, Memory, Reward, memory_of
from fastflow_plugins.policies.bandits.ucb import UCB


@dataclass(frozen=True, kw_only=True)
class Path(UCB):
    """Follows the schedule of exactly N computed steps whose optimistic costs are least.

    A combinatorial bandit: every gap has an upper confidence bound of its reward, and dynamic
    programming finds the schedule whose bounds have the largest sum. `lookahead` and the reward's
    mu have no effect: every path looks ahead, and all have the same number of skipped steps.
    Reference: CombUCB1, Kveton et al. 2015, https://arxiv.org/abs/1410.0949.

    Args:
        arms: the numbers of skipped steps to choose from.
        reward: measures the cost of a gap; costs are added up.
        computed_steps: N, a whole number; guidance branches are not counted.
        side_observations: whether a landing also shows what shorter skips would have cost.
        gamma: the weight of exploration, in units of the reward.
    """

    arms: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7, 8)
    reward: Reward = Drift()
    computed_steps: float | None = 19
    side_observations: bool = True

    def __post_init__(self):
        super().__post_init__()
        if self.computed_steps is None or not float(self.computed_steps).is_integer():
            raise ValueError(
                f"`computed_steps` must be a whole number, got {self.computed_steps}."
            )
        if self.warmup_samples < 1:
            raise ValueError(
                f"`warmup_samples` must be 1 or more, got {self.warmup_samples}: a path needs the "
                "cost of every gap."
            )

    def arm_probabilities(
        self, arms: Sequence[int], context: StepContext, memory: Memory
    ) -> np.ndarray:
        path = self._path(context.grid, memory_of(memory))
        landing = min(j for j in path if j > context.index)
        arm = max(m for m in arms if context.index + m + 1 <= landing)
        return np.equal(arms, arm).astype(float)

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        episode, memory = super().begin(grid, memory), memory_of(memory)
        self._path(grid, memory)  # raises a ValueError if there is none
        if memory.is_empty:
            return Unskipped(replace(episode.feedback_spec, lookback=self.arms[-1]))
        return episode

    def _path(self, grid: Grid, memory: BanditMemory) -> tuple[int, ...]:
        key = self, grid.digest, memory.frozen
        if key not in memory.solved:
            memory.solved[key] = self._best_path(grid, memory)
        return memory.solved[key]

    def _best_path(self, grid: Grid, memory: BanditMemory) -> tuple[int, ...]:
        """Returns the steps of the best path, and T, its end.

        Raises:
            ValueError: if the arms allow no path of that many steps.
        """
        assert self.computed_steps is not None
        calls = int(self.computed_steps)
        best = np.full((grid.steps + 1, calls + 1), -np.inf)  # by step and steps left to compute
        best[grid.steps, 0] = 0.0
        onward = np.zeros(best.shape, dtype=int)
        for k in range(grid.steps - 1, -1, -1):
            for landing, reward in self._gaps(k, grid, memory):
                through = reward + best[landing, :-1]
                better = through > best[k, 1:]
                best[k, 1:][better] = through[better]
                onward[k, 1:][better] = landing
        if not np.isfinite(best[0, calls]):
            raise ValueError(
                f"`computed_steps` {calls} cannot be reached exactly on a grid of {grid.steps} "
                f"steps with `arms` {list(self.arms)}. Use other arms."
            )
        path = [0]
        for left in range(calls, 0, -1):
            path.append(int(onward[path[-1], left]))
        return tuple(path)

    def _gaps(self, k: int, grid: Grid, memory: BanditMemory) -> Iterator[tuple[int, float]]:
        """Yields the landings that step k may be followed by, with their optimistic rewards.

        A gap that was never seen, such as one whose error was not finite, counts as the worst.
        """
        stats = memory.stats(k, [m for m in self.arms if m <= grid.longest_skip[k]])
        tried = np.maximum(stats.count, 1)
        bonus = 0.0 if memory.frozen else self.bonus(replace(stats, count=tried))
        worst = memory.reward.mean.min(initial=0.0)
        rewards = np.where(stats.count > 0, stats.mean + bonus, worst)
        yield from zip((k + 1 + stats.arms).tolist(), rewards.tolist(), strict=True)
