"""One sample of a run, as its line in samples.jsonl tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DEFAULTS: dict[str, Any] = {
    "prompt": "",
    "task": "",
    "seed": None,
    "seconds": None,
    "seconds_full": None,
    "metrics": None,
    "metrics_full": None,
    "image_source": None,
    "image": None,
    "image_full": None,
    "failure": "",
    "velocity_change": None,
}


@dataclass(frozen=True)
class Entry:
    """A sample's line with the missing fields filled in.

    Args:
        row: the line: ``index``, ``calls``, ``calls_full`` and ``computed`` are always there.
    """

    row: dict[str, Any]

    @classmethod
    def of(cls, row: Mapping[str, Any], where: str) -> Entry:
        """Checks a line.

        Raises:
            ValueError: If a field is missing without which nothing can be said.
        """
        failed = bool(row.get("failure"))
        known = {"calls": 0, "calls_full": 0, "computed": []} if failed else {}
        known |= {name: value for name, value in row.items() if value is not None}
        for name in ("index", "calls", "computed"):
            if name not in known:
                raise ValueError(f"{where}, has no `{name}`: it was written by something else.")
        known.setdefault("calls_full", known["calls"])
        known = _DEFAULTS | known
        known["metrics"] = known["metrics"] or {}
        known["metrics_full"] = known["metrics_full"] or {}
        known["seconds"] = _times(known["seconds"] or {})
        known["seconds_full"] = known["seconds_full"] and _times(known["seconds_full"])
        return cls(known)

    @property
    def index(self) -> int:
        """The sample's number."""
        return int(self.row["index"])

    @property
    def prompt(self) -> str:
        """What was asked for."""
        return str(self.row["prompt"])

    @property
    def task(self) -> str:
        """The kind of prompt."""
        return str(self.row["task"])

    @property
    def failure(self) -> str:
        """Why there is no output, or an empty string."""
        return str(self.row["failure"])

    @property
    def calls(self) -> int:
        """Network calls with skipping."""
        return int(self.row["calls"])

    @property
    def calls_full(self) -> int:
        """Network calls of the full run."""
        return int(self.row["calls_full"])

    @property
    def computed(self) -> list[int]:
        """The steps at which the model was called, rising."""
        return self.row["computed"]

    @property
    def arms(self) -> list[int]:
        """How many steps were skipped after each computed step but the last."""
        return [b - a - 1 for a, b in zip(self.computed, self.computed[1:])]

    @property
    def psnr(self) -> float | None:
        """PSNR in dB to the full run's image; infinite where identical; None if not measured."""
        if "psnr_db" not in self.row["metrics"]:
            return None
        value = self.row["metrics"]["psnr_db"]
        return math.inf if value is None else float(value)

    @property
    def score(self) -> float | None:
        """The task score with skipping, or None."""
        return self.row["metrics"].get("score", self._named_score("metrics"))

    @property
    def score_full(self) -> float | None:
        """The task score of the full run, or None."""
        return self.row["metrics_full"].get("score", self._named_score("metrics_full"))

    @property
    def lost(self) -> bool:
        """Whether the full run scored higher than the skipped one."""
        score, full = self.score, self.score_full
        return score is not None and full is not None and full > score

    def _named_score(self, side: str) -> float | None:
        """Returns ``scene_score`` and the like, where there is no plain ``score``."""
        return self.row[side].get("scene_score")


def _times(seconds: Mapping[str, Any]) -> dict[str, float]:
    return {part: float(seconds.get(part) or 0.0) for part in ("encode", "denoise", "decode")}
