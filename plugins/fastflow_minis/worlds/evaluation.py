"""Evaluation: held-out questions, a mini's answers and their scores."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

_Z = 1.96


class Question(Protocol):
    """A question to a mini: a prompt, and for edits its source."""

    @property
    def task(self) -> str:
        """The kind of question."""
        ...


class Evaluation(ABC):
    """Asks a mini held-out questions and scores its answers.

    Attributes:
        tasks: The kinds of question.
    """

    tasks: tuple[str, ...]

    @abstractmethod
    def questions(self, count: int) -> list[Any]:
        """Returns held-out questions; the tasks take turns."""

    @abstractmethod
    def load(self, folder: Path, device: str) -> Any:
        """Loads the model from its folder, in float32."""

    @abstractmethod
    def answer(
        self, model: Any, questions: Sequence[Any], seeds: Sequence[int], steps: int, scale: float
    ) -> np.ndarray:
        """Generates a batch.

        Args:
            model: What `load` returned.
            questions: The questions.
            seeds: Seed of each question's noise, which does not depend on the rest of the batch.
            steps: Number of denoising steps.
            scale: Strength of true classifier-free guidance; 1 is off.

        Returns:
            The outputs (B, ...), float32 in [0, 1].
        """

    @abstractmethod
    def scores(self, answer: np.ndarray, question: Any) -> dict[str, float]:
        """Returns named scores from 0 to 1; "score" is the overall one."""


@dataclass(frozen=True)
class MeanScore:
    """Holds the mean of scores from 0 to 1.

    Attributes:
        right: The sum of the scores.
        total: The number of scores.
    """

    right: float
    total: int

    @property
    def rate(self) -> float:
        """The mean score; NaN if there are none."""
        return self.right / self.total if self.total else math.nan

    def interval(self) -> tuple[float, float]:
        """Returns Wilson's 95 % confidence interval of the rate.

        It is meant for scores of 0 and 1; other scores vary less, so for them it is too wide.
        """
        if not self.total:
            return (0.0, 1.0)
        n, p = self.total, self.rate
        middle = p + _Z**2 / (2 * n)
        half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        low, high = (middle + s * half for s in (-1, 1))
        whole = 1 + _Z**2 / n
        return max(0.0, low / whole), min(1.0, high / whole)


def score_answers(
    evaluation: Evaluation, answers: Sequence[np.ndarray], questions: Sequence
) -> dict[str, MeanScore]:
    """Scores answers.

    Args:
        evaluation: The evaluation that they belong to.
        answers: The outputs.
        questions: The question of each.

    Returns:
        The scores under "overall" and per task, then those of the other named scores.
    """
    named = [evaluation.scores(a, q) for a, q in zip(answers, questions, strict=True)]
    scores = {"overall": _sum([one["score"] for one in named])}
    for task in evaluation.tasks:
        own = [m["score"] for m, q in zip(named, questions, strict=True) if q.task == task]
        scores[task] = _sum(own)
    for name in sorted({name for one in named for name in one} - {"score"}):
        scores[name] = _sum([one[name] for one in named])
    return scores


def _sum(scores: list[float]) -> MeanScore:
    return MeanScore(sum(scores), len(scores))
