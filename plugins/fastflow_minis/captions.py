"""The examination of minis that draw scenes from captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FluxPipeline

from fastflow_minis.exam import Exam
from fastflow_minis.scenes import TASKS, Prompt, held_out
from fastflow_minis.scorer import holds


class Captions(Exam):
    """A caption of a held-out combination; the mark is 1 if the image shows it, else 0."""

    tasks = TASKS

    def questions(self, count: int) -> list[Prompt]:
        return held_out(count)

    def load(self, folder: Path, device: str) -> FluxPipeline:
        pipe = FluxPipeline.from_pretrained(folder).to(device)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def answer(
        self,
        model: FluxPipeline,
        questions: Sequence[Prompt],
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

    def mark(self, answer: np.ndarray, question: Prompt) -> dict[str, float]:
        return {"score": float(holds(answer, question))}
