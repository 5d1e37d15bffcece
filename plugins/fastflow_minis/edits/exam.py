"""The examination of minis that edit scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FluxKontextPipeline
from PIL import Image

from fastflow_minis.drawing import SIDE, render
from fastflow_minis.edits.language import TASKS
from fastflow_minis.edits.scorer import mark
from fastflow_minis.edits.world import Edit, held_out
from fastflow_minis.exam import Exam


class Edits(Exam):
    """A scene and an instruction of a held-out combination, marked as in GEdit."""

    tasks = TASKS

    def questions(self, count: int) -> list[Edit]:
        return held_out(count)

    def load(self, folder: Path, device: str) -> FluxKontextPipeline:
        pipe = FluxKontextPipeline.from_pretrained(folder).to(device)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def answer(
        self,
        model: FluxKontextPipeline,
        questions: Sequence[Edit],
        seeds: Sequence[int],
        steps: int,
        scale: float,
    ) -> np.ndarray:
        images: Any = model(
            image=[Image.fromarray(render(question.source)) for question in questions],
            prompt=[question.instruction.text for question in questions],
            negative_prompt=[""] * len(questions),
            true_cfg_scale=scale,
            height=SIDE,
            width=SIDE,
            max_area=SIDE * SIDE,
            _auto_resize=False,
            num_inference_steps=steps,
            max_sequence_length=model.tokenizer_2.model_max_length,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        )
        return images.images

    def mark(self, answer: np.ndarray, question: Edit) -> dict[str, float]:
        marks = mark(render(question.source), question.instruction, answer)
        return {"score": marks.g_o, "g_sc": marks.g_sc, "g_pq": marks.g_pq}
