"""Scores a mini model on held-out prompts: ``python -m fastflow_minis.evaluate flux_mini``."""

import argparse
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FluxPipeline
from tqdm import tqdm

from fastflow_minis.folders import folder
from fastflow_minis.scenes import TASKS, Prompt, held_out
from fastflow_minis.scorer import holds

_Z = 1.96


@dataclass(frozen=True)
class Score:
    """How many captions hold among how many images."""

    right: int
    total: int

    @property
    def rate(self) -> float:
        """The share of captions that hold; NaN without images."""
        return self.right / self.total if self.total else math.nan

    def interval(self) -> tuple[float, float]:
        """Returns Wilson's 95 % confidence interval of the rate."""
        if not self.total:
            return (0.0, 1.0)
        n, p = self.total, self.rate
        middle = p + _Z**2 / (2 * n)
        half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        low, high = (middle + s * half for s in (-1, 1))
        whole = 1 + _Z**2 / n
        return max(0.0, low / whole), min(1.0, high / whole)


def generate(
    pipe: FluxPipeline,
    prompts: list[Prompt],
    steps: int = 50,
    true_cfg_scale: float = 1.0,
    batch: int = 50,
    seed: int = 0,
) -> np.ndarray:
    """Generates one image per prompt; the i-th has the noise of ``seed + i`` in any batch.

    Args:
        pipe: A mini pipeline.
        prompts: What to ask for.
        steps: Number of denoising steps.
        true_cfg_scale: Strength of classifier-free guidance against the empty prompt; 1 is off.
        batch: Images at a time.
        seed: Of the first image.

    Returns:
        Images (N, 64, 64, 3), float32 in [0, 1].
    """
    pipe.set_progress_bar_config(disable=True)
    images = []
    for start in tqdm(range(0, len(prompts), batch), desc="generate", mininterval=1):
        part = prompts[start : start + batch]
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(part))]
        negative: Any = [""] * len(part) if true_cfg_scale > 1 else None
        done: Any = pipe(
            [prompt.text for prompt in part],
            negative_prompt=negative,
            true_cfg_scale=true_cfg_scale,
            height=64,
            width=64,
            num_inference_steps=steps,
            max_sequence_length=pipe.tokenizer_2.model_max_length,
            generator=generators,
            output_type="np",
        )
        images.append(done.images)
    return np.concatenate(images)


def score(images: Iterable[np.ndarray], prompts: list[Prompt]) -> dict[str, Score]:
    """Scores images against their prompts, under "overall" and per task."""
    verdicts = [(p.task, holds(i, p)) for i, p in zip(images, prompts, strict=True)]
    scores = {"overall": Score(sum(v for _, v in verdicts), len(verdicts))}
    for task in TASKS:
        own = [verdict for name, verdict in verdicts if name == task]
        scores[task] = Score(sum(own), len(own))
    return scores


def table(scores: dict[str, Score]) -> str:
    """Formats scores as lines of text."""
    lines = []
    for name, one in scores.items():
        low, high = one.interval()
        share = f"{one.rate:.3f}  [{low:.3f}, {high:.3f}]" if one.total else "-"
        lines.append(f"{name:<20} {one.right:>4}/{one.total:<4} {share}")
    return "\n".join(lines)


def load(source: str, device: str = "cpu") -> FluxPipeline:
    """Loads a shipped mini model by its name, or a pipeline by its folder, in float32."""
    path = Path(source) if Path(source).is_dir() else folder(source)
    return FluxPipeline.from_pretrained(path).to(device)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="fastflow_minis.evaluate", description=__doc__)
    parser.add_argument("model", help="a mini's name or a pipeline's folder")
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--true-cfg-scale", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=Path, help="where to save the images (.npy)")
    parser.add_argument("--json", type=Path, help="where to save the scores")
    chosen = parser.parse_args(arguments)
    prompts = held_out(chosen.prompts)
    pipe = load(chosen.model, chosen.device)
    images = generate(
        pipe, prompts, chosen.steps, chosen.true_cfg_scale, chosen.batch, chosen.seed
    )
    scores = score(images, prompts)
    print(table(scores))
    if chosen.images:
        np.save(chosen.images, images)
    if chosen.json:
        plain = {name: [one.right, one.total] for name, one in scores.items()}
        chosen.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
