"""The examination of minis that film moving shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import HunyuanVideoPipeline

from fastflow_minis.clips.language import TASKS, Motion
from fastflow_minis.clips.scorer import mark
from fastflow_minis.clips.world import FRAMES, held_out
from fastflow_minis.drawing import SIDE
from fastflow_minis.exam import Exam
from fastflow_minis.video_components import TEMPLATE


class Films(Exam):
    """A caption of a held-out combination; the mark is 1 if the video is as asked, else 0."""

    tasks = TASKS

    def questions(self, count: int) -> list[Motion]:
        return held_out(count)

    def load(self, folder: Path, device: str) -> HunyuanVideoPipeline:
        pipe = HunyuanVideoPipeline.from_pretrained(folder).to(device)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def answer(
        self,
        model: HunyuanVideoPipeline,
        questions: Sequence[Motion],
        seeds: Sequence[int],
        steps: int,
        scale: float,
    ) -> np.ndarray:
        videos: Any = model(
            [question.text for question in questions],
            negative_prompt=[""] * len(questions),
            true_cfg_scale=scale,
            height=SIDE,
            width=SIDE,
            num_frames=FRAMES,
            num_inference_steps=steps,
            prompt_template=TEMPLATE,
            max_sequence_length=model.tokenizer.model_max_length,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        )
        return videos.frames

    def mark(self, answer: np.ndarray, question: Motion) -> dict[str, float]:
        return mark(answer, question).numbers()
