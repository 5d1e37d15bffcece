"""The progress of a training run: on the terminal and in a file."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

ReportStep = Callable[[dict[str, float]], None]
"""Takes the numbers of a training step."""

_LOG_EVERY = 20


class TrainingProgress:
    """Shows a bar on the terminal and writes a line of means to ``losses.jsonl`` every 20 steps.

    As a context manager, it returns a function that takes a step's numbers.

    Args:
        stage: The label of the bar and of the lines.
        steps: Total number of steps.
        run: The run's folder.
        done: Number of steps that an earlier process took.
    """

    def __init__(self, stage: str, steps: int, run: Path, done: int = 0):
        self.stage, self.path, self.step = stage, run / "losses.jsonl", done
        self.bar = tqdm(total=steps, initial=done, desc=stage, mininterval=10)
        self.recent: list[dict[str, float]] = []

    def __enter__(self) -> ReportStep:
        return self._note

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def _note(self, numbers: dict[str, float]) -> None:
        self.step += 1
        self.recent.append(numbers)
        if len(self.recent) == _LOG_EVERY:
            means = {k: sum(n[k] for n in self.recent) / _LOG_EVERY for k in numbers}
            self.recent.clear()
            self.bar.set_postfix({k: f"{v:.4g}" for k, v in means.items()}, refresh=False)
            line = {"stage": self.stage, "step": self.step, "time": time.time(), **means}
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        self.bar.update()
