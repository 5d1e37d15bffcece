"""The evaluation of minis that edit scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FluxKontextPipeline
from PIL import Image

from fastflow_minis.models.pipeline_files import read_pipeline
from fastflow_minis.worlds.drawing import IMAGE_SIDE, render_scene
from fastflow_minis.worlds.edits.edit_language import EDIT_TASKS
from fastflow_minis.worlds.edits.edit_scorer import score_edit
from fastflow_minis.worlds.edits.edit_world import SceneEdit, held_out_edits
from fastflow_minis.worlds.evaluation import Evaluation


class EditEvaluation(Evaluation):
    """Asks for edits of held-out combinations, and scores them as in GEdit."""

    tasks = EDIT_TASKS

    def questions(self, count: int) -> list[SceneEdit]:
        return held_out_edits(count)

    def load(self, folder: Path, device: str) -> FluxKontextPipeline:
        return read_pipeline(FluxKontextPipeline, folder, device)

    def answer(
        self,
        model: FluxKontextPipeline,
        questions: Sequence[SceneEdit],
        seeds: Sequence[int],
        steps: int,
        scale: float,
    ) -> np.ndarray:
        images: Any = model(
            image=[Image.fromarray(render_scene(question.source)) for question in questions],
            prompt=[question.instruction.text for question in questions],
            negative_prompt=[""] * len(questions),
            true_cfg_scale=scale,
            height=IMAGE_SIDE,
            width=IMAGE_SIDE,
            max_area=IMAGE_SIDE * IMAGE_SIDE,
            _auto_resize=False,
            num_inference_steps=steps,
            max_sequence_length=model.tokenizer_2.model_max_length,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        )
        return images.images

    def scores(self, answer: np.ndarray, question: SceneEdit) -> dict[str, float]:
        found = score_edit(render_scene(question.source), question.instruction, answer)
        return {"score": found.g_o, "g_sc": found.g_sc, "g_pq": found.g_pq}
