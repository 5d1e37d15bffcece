"""Examinations: questions that training never shows, answered by a mini and marked."""

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
    """What a mini is asked: a prompt, and whatever belongs to it."""

    @property
    def task(self) -> str:
        """The kind of question."""
        ...


class Evaluation(ABC):
    """How a mini is examined.

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
            questions: What to ask.
            seeds: Of each question's noise; answers do not depend on the rest of the batch.
            steps: Number of denoising steps.
            scale: Strength of true classifier-free guidance; 1 is off.

        Returns:
            The outputs (B, ...), float32 in [0, 1].
        """

    @abstractmethod
    def mark(self, answer: np.ndarray, question: Any) -> dict[str, float]:
        """Returns named marks from 0 to 1; "score" is the one that counts."""


@dataclass(frozen=True)
class MeanScore:
    """The sum of marks from 0 to 1, and how many there were."""

    right: float
    total: int

    @property
    def rate(self) -> float:
        """The mean mark; NaN if there are none."""
        return self.right / self.total if self.total else math.nan

    def interval(self) -> tuple[float, float]:
        """Returns Wilson's 95 % confidence interval of the rate.

        It is that of marks of 0 and 1; marks between vary less, so theirs is wider than needed.
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
    exam: Evaluation, answers: Sequence[np.ndarray], questions: Sequence
) -> dict[str, MeanScore]:
    """Marks answers.

    Returns:
        The scores under "overall" and per task, then those of the marks beside "score".
    """
    marks = [exam.mark(a, q) for a, q in zip(answers, questions, strict=True)]
    scores = {"overall": _sum([mark["score"] for mark in marks])}
    for task in exam.tasks:
        own = [m["score"] for m, q in zip(marks, questions, strict=True) if q.task == task]
        scores[task] = _sum(own)
    for name in sorted({name for mark in marks for name in mark} - {"score"}):
        scores[name] = _sum([mark[name] for mark in marks])
    return scores


def _sum(marks: list[float]) -> MeanScore:
    return MeanScore(sum(marks), len(marks))
