"""The evaluation of minis that draw scenes from captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FluxPipeline

from fastflow_minis.models.pipeline_files import read_pipeline
from fastflow_minis.worlds.evaluation import Evaluation
from fastflow_minis.worlds.scenes.scene_language import SCENE_TASKS, SceneCaption
from fastflow_minis.worlds.scenes.scene_scorer import holds
from fastflow_minis.worlds.scenes.scene_world import held_out_captions


class SceneEvaluation(Evaluation):
    """Asks for captions of held-out combinations; the score is 1 if the image shows it, else 0."""

    tasks = SCENE_TASKS

    def questions(self, count: int) -> list[SceneCaption]:
        return held_out_captions(count)

    def load(self, folder: Path, device: str) -> FluxPipeline:
        return read_pipeline(FluxPipeline, folder, device)

    def answer(
        self,
        model: FluxPipeline,
        questions: Sequence[SceneCaption],
        seeds: Sequence[int],
        steps: int,
        scale: float,
    ) -> np.ndarray:
        images: Any = model(
            [question.text for question in questions],
            negative_prompt=[""] * len(questions),
            true_cfg_scale=scale,
            height=64,
            width=64,
            num_inference_steps=steps,
            max_sequence_length=model.tokenizer_2.model_max_length,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        )
        return images.images

    def scores(self, answer: np.ndarray, question: SceneCaption) -> dict[str, float]:
        return {"score": float(holds(answer, question))}
