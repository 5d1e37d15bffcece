"""Scores a mini model on held-out questions: ``python -m fastflow_minis.evaluate flux_mini``."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fastflow_minis.bagel_exam import BagelCaptions, BagelEdits
from fastflow_minis.captions import Captions
from fastflow_minis.clips.exam import Films
from fastflow_minis.edits.exam import Edits
from fastflow_minis.exam import Exam, Score, score
from fastflow_minis.folders import folder

EXAMS: dict[str, Exam] = {
    "flux_mini": Captions(),
    "kontext_mini": Edits(),
    "hunyuan_video_mini": Films(),
    "bagel_mini": BagelCaptions(),
    "bagel_mini_edit": BagelEdits(),
}
"""How each mini is examined; one that does two things is twice."""

_MINI = {"bagel_mini_edit": "bagel_mini"}


def generate(
    exam: Exam,
    model: Any,
    questions: Sequence,
    steps: int = 50,
    true_cfg_scale: float = 1.0,
    batch: int = 50,
    seed: int = 0,
) -> np.ndarray:
    """Answers questions; the i-th has the noise of ``seed + i`` in any batch.

    Args:
        exam: The examination.
        model: What it examines.
        questions: What to ask.
        steps: Number of denoising steps.
        true_cfg_scale: Strength of classifier-free guidance against the empty prompt; 1 is off.
        batch: Answers at a time.
        seed: Of the first answer.

    Returns:
        Outputs (N, ...), float32 in [0, 1].
    """
    answers = []
    for start in tqdm(range(0, len(questions), batch), desc="generate", mininterval=1):
        part = questions[start : start + batch]
        seeds = [seed + start + i for i in range(len(part))]
        answers.append(exam.answer(model, part, seeds, steps, true_cfg_scale))
    return np.concatenate(answers)


def table(scores: dict[str, Score]) -> str:
    """Formats scores as lines of text."""
    lines = []
    for name, one in scores.items():
        low, high = one.interval()
        share = f"{one.rate:.3f}  [{low:.3f}, {high:.3f}]" if one.total else "-"
        lines.append(f"{name:<20} {one.right:>6.5g}/{one.total:<4} {share}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="fastflow_minis.evaluate", description=__doc__)
    parser.add_argument("mini", choices=EXAMS, help="which mini")
    parser.add_argument("--folder", type=Path, help="its weights, if not the shipped ones")
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--true-cfg-scale", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=Path, help="where to save the outputs (.npy)")
    parser.add_argument("--json", type=Path, help="where to save the scores")
    chosen = parser.parse_args(arguments)
    name: str = chosen.mini
    exam = EXAMS[name]
    questions = exam.questions(chosen.prompts)
    model = exam.load(chosen.folder or folder(_MINI.get(name, name)), chosen.device)
    options = (chosen.steps, chosen.true_cfg_scale, chosen.batch, chosen.seed)
    answers = generate(exam, model, questions, *options)
    scores = score(exam, list(answers), questions)
    print(table(scores))
    if chosen.images:
        np.save(chosen.images, answers)
    if chosen.json:
        plain = {name: [one.right, one.total] for name, one in scores.items()}
        chosen.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
