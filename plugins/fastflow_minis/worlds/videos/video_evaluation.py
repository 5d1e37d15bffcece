"""The evaluation of minis that make videos of moving shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import HunyuanVideoPipeline

from fastflow_minis.models.hunyuan_video.hunyuan_video_components import PROMPT_TEMPLATE
from fastflow_minis.models.pipeline_files import read_pipeline
from fastflow_minis.worlds.drawing import IMAGE_SIDE
from fastflow_minis.worlds.evaluation import Evaluation
from fastflow_minis.worlds.videos.video_language import VIDEO_TASKS, Motion
from fastflow_minis.worlds.videos.video_scorer import score_video
from fastflow_minis.worlds.videos.video_world import FRAMES, held_out_motions


class VideoEvaluation(Evaluation):
    """Asks for captions of held-out combinations; the score is 1 if the video shows it, else 0."""

    tasks = VIDEO_TASKS

    def questions(self, count: int) -> list[Motion]:
        return held_out_motions(count)

    def load(self, folder: Path, device: str) -> HunyuanVideoPipeline:
        return read_pipeline(HunyuanVideoPipeline, folder, device)

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
            height=IMAGE_SIDE,
            width=IMAGE_SIDE,
            num_frames=FRAMES,
            num_inference_steps=steps,
            prompt_template=PROMPT_TEMPLATE,
            max_sequence_length=model.tokenizer.model_max_length,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        )
        return videos.frames

    def scores(self, answer: np.ndarray, question: Motion) -> dict[str, float]:
        return score_video(answer, question).numbers()
