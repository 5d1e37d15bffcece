"""Scores a mini model on held-out questions: ``python -m fastflow_minis.evaluate flux_mini``."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fastflow_minis.models.bagel.bagel_evaluation import BagelEditEvaluation, BagelSceneEvaluation
from fastflow_minis.worlds.edits.edit_evaluation import EditEvaluation
from fastflow_minis.worlds.evaluation import Evaluation, MeanScore, score_answers
from fastflow_minis.worlds.scenes.scene_evaluation import SceneEvaluation
from fastflow_minis.worlds.videos.video_evaluation import VideoEvaluation
from fastflow_minis.zoo import folder

EVALUATIONS: dict[str, Evaluation] = {
    "flux_mini": SceneEvaluation(),
    "kontext_mini": EditEvaluation(),
    "hunyuan_video_mini": VideoEvaluation(),
    "bagel_mini": BagelSceneEvaluation(),
    "bagel_mini_edit": BagelEditEvaluation(),
}
"""The evaluation of each mini; a mini with two abilities is listed twice."""

_MINI = {"bagel_mini_edit": "bagel_mini"}


def generate_answers(
    evaluation: Evaluation,
    model: Any,
    questions: Sequence,
    steps: int = 50,
    true_cfg_scale: float = 1.0,
    batch: int = 50,
    seed: int = 0,
) -> np.ndarray:
    """Answers questions; the i-th has the noise of ``seed + i`` in any batch.

    Args:
        evaluation: The evaluation that generates and scores answers.
        model: The model that `evaluation.load` returned.
        questions: The questions.
        steps: Number of denoising steps.
        true_cfg_scale: Strength of classifier-free guidance against the empty prompt; 1 is off.
        batch: Answers at a time.
        seed: Seed of the first answer.

    Returns:
        Outputs (N, ...), float32 in [0, 1].
    """
    answers = []
    for start in tqdm(range(0, len(questions), batch), desc="generate", mininterval=1):
        part = questions[start : start + batch]
        seeds = [seed + start + i for i in range(len(part))]
        answers.append(evaluation.answer(model, part, seeds, steps, true_cfg_scale))
    return np.concatenate(answers)


def score_table(scores: dict[str, MeanScore]) -> str:
    """Formats scores as a table in plain text."""
    lines = []
    for name, one in scores.items():
        low, high = one.interval()
        share = f"{one.rate:.3f}  [{low:.3f}, {high:.3f}]" if one.total else "-"
        lines.append(f"{name:<20} {one.right:>6.5g}/{one.total:<4} {share}")
    return "\n".join(lines)


def evaluate_mini(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="fastflow_minis.evaluate", description=__doc__)
    parser.add_argument("mini", choices=EVALUATIONS, help="which mini")
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
    evaluation = EVALUATIONS[name]
    questions = evaluation.questions(chosen.prompts)
    model = evaluation.load(chosen.folder or folder(_MINI.get(name, name)), chosen.device)
    options = (chosen.steps, chosen.true_cfg_scale, chosen.batch, chosen.seed)
    answers = generate_answers(evaluation, model, questions, *options)
    scores = score_answers(evaluation, list(answers), questions)
    print(score_table(scores))
    if chosen.images:
        np.save(chosen.images, answers)
    if chosen.json:
        plain = {name: [one.right, one.total] for name, one in scores.items()}
        chosen.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    evaluate_mini()
