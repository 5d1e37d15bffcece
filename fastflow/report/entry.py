"""One sample of a run, as the report shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastflow.evaluation.measurement import SampleRow


@dataclass(frozen=True)
class Entry:
    """A sample's row, with the values that the report derives from it."""

    row: SampleRow

    @property
    def index(self) -> int:
        """The sample's number."""
        return self.row.index

    @property
    def prompt(self) -> str:
        """The prompt."""
        return self.row.prompt

    @property
    def task(self) -> str:
        """The kind of prompt."""
        return self.row.task

    @property
    def failure(self) -> str:
        """Why there is no output, or an empty string."""
        return self.row.failure

    @property
    def calls(self) -> int:
        """Network calls with skipping."""
        return self.row.calls

    @property
    def calls_full(self) -> int:
        """Network calls of the reference run."""
        return self.row.calls_full

    @property
    def computed(self) -> tuple[int, ...]:
        """The indices of the computed steps, rising."""
        return self.row.computed

    @property
    def arms(self) -> list[int]:
        """How many steps were skipped after each computed step but the last."""
        return self.row.arms

    @property
    def psnr(self) -> float | None:
        """PSNR in dB to the reference run; infinite if identical, None if not measured."""
        return self.row.metrics.get("psnr_db")

    @property
    def score(self) -> float | None:
        """The task score with skipping, or None."""
        return self._score("skipped")

    @property
    def score_full(self) -> float | None:
        """The task score of the reference run, or None."""
        return self._score("full")

    @property
    def is_worse(self) -> bool:
        """Whether the score with skipping is lower than that of the reference run."""
        score, reference = self.score, self.score_full
        return score is not None and reference is not None and reference > score

    def _score(self, side: str) -> float | None:
        """Returns the metric ``score`` of a side, or ``scene_score`` without one."""
        metrics = self.row.metrics_of(side)
        score = metrics.get("score", metrics.get("scene_score"))
        return score if score is not None and math.isfinite(score) else None
