"""Measures the loop's cost: against the plain pipeline, per skipped step, in memory, in time.

Run with `make bench`. Timings are paired within one process; medians are reported.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from pathlib import Path

import torch
from diffusers import FluxPipeline
from pairs import paired
from tqdm import trange

import fastflow
from fastflow.integration.episode import Scheme
from fastflow.integration.loop import flow
from fastflow.policies.memory import Memory
from fastflow_minis import folder
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear, Quadratic
from fastflow_plugins.models.flux import Flux, FluxFlow
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.static import Listed

STEPS = 50
NINETEEN = (0, 1, 2, 3, 5, 7, 10, 13, 16, 20, 24, 28, 32, 36, 40, 43, 46, 48, 49)
PROMPT = "a photo of a red circle"


def main() -> None:
    """Prints every figure, and writes them to a JSON file if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    recipe = Flux(path="flux_mini", height=64, width=64, max_sequence_length=14)
    pipe = FluxPipeline.from_pretrained(folder("flux_mini"), torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    model = FluxFlow(pipe, recipe)
    figures = {
        "never / plain pipeline, denoising time": against_pipeline(pipe, model, options.pairs),
        "skipped / computed step, time": skipped_step(model, options.pairs),
        "speed-up by the clock at 19 of 50 calls, one sample": clock(model, options.pairs, 1),
        "speed-up by the clock at 19 of 50 calls, batch of 8": clock(model, options.pairs // 3, 8),
    }
    for extrapolator in (Linear(), Quadratic()):
        name = f"latents held over the plain loop, {type(extrapolator).__name__.lower()}"
        figures[name] = latents_held(model, extrapolator)
        figures[name + ", allowed"] = extrapolator.depth + 2
    for name, value in figures.items():
        print(f"{name:<60} {value:.4f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def sampler(model: FluxFlow, policy: fastflow.Policy, max_batch: int = 1) -> fastflow.Sampler:
    """Returns a sampler with our default components."""
    return fastflow.Sampler(
        model, policy, Linear(), Interpolate(), memory=Memory(), max_batch=max_batch
    )


def denoise(runs: fastflow.Sampler, count: int = 1) -> float:
    """Returns the denoising seconds of some samples."""
    requests = [fastflow.Request(i, PROMPT, i, STEPS) for i in range(count)]
    return sum(sample.seconds.denoise for sample in runs.generate(requests))


def against_pipeline(pipe: FluxPipeline, model: FluxFlow, pairs: int) -> float:
    """Returns the median of paired ratios: never skipping over the pipeline's own loop."""
    with torch.no_grad():
        embeds, pooled, _ = pipe.encode_prompt(
            PROMPT, None, max_sequence_length=model.recipe.max_sequence_length
        )

    def plain() -> float:
        start = time.perf_counter()
        pipe(
            prompt_embeds=embeds,
            pooled_prompt_embeds=pooled,
            height=64,
            width=64,
            num_inference_steps=STEPS,
            output_type="latent",
            generator=torch.Generator().manual_seed(0),
        )
        return time.perf_counter() - start

    ours = sampler(model, Never())
    return paired(lambda: denoise(ours), plain, pairs, "never / pipeline")


def clock(model: FluxFlow, pairs: int, batch: int) -> float:
    """Returns the median of paired ratios: computing every step over computing 19 of 50."""
    full, fast = sampler(model, Never(), batch), sampler(model, Listed(steps=NINETEEN), batch)
    return paired(
        lambda: denoise(full, batch), lambda: denoise(fast, batch), pairs, f"clock, batch {batch}"
    )


def skipped_step(model: FluxFlow, pairs: int) -> float:
    """Returns the time of a skipped step over that of a computed one, medians of one loop."""
    computed, skipped = [], []
    for _ in trange(max(pairs // 3, 2), desc="skipped step", leave=False):
        for wanted, seconds in steps(model):
            (computed if wanted else skipped).append(seconds)
    return statistics.median(skipped) / statistics.median(computed)


@torch.no_grad()
def steps(model: FluxFlow):
    """Drives one trajectory by hand and yields (computed, seconds) of each of its steps."""
    loop, problem, step = begin(model, Linear())
    while True:
        start = time.perf_counter()
        wanted = step.wants_model()
        v = None
        if wanted:
            t = problem.grid.model_times[step.k : step.k + 1]
            v = model.velocity(step.x, t, [problem.conditioning])
        try:
            step = loop.send((step.x, v, model.advance))
        except StopIteration:
            return
        yield wanted, time.perf_counter() - start


def begin(model: FluxFlow, extrapolator: fastflow.Extrapolator):
    """Returns a loop at its first step, with its problem."""
    problem = model.prepare(fastflow.Request(0, PROMPT, 0, STEPS))
    policy = Listed(steps=NINETEEN)
    episode = policy.begin(problem.grid, Memory())
    scheme = Scheme(extrapolator, Interpolate())
    loop = flow(problem.x, problem.grid, scheme, episode)
    return loop, problem, next(loop)


@torch.no_grad()
def latents_held(model: FluxFlow, extrapolator: fastflow.Extrapolator) -> float:
    """Returns how many tensors of the latents' size live between steps, x itself not counted."""
    loop, problem, step = begin(model, extrapolator)
    size, most = problem.x.numel(), 0
    outside = held(size)
    while True:
        v = None
        if step.wants_model():
            t = problem.grid.model_times[step.k : step.k + 1]
            v = model.velocity(step.x, t, [problem.conditioning])
        try:
            step = loop.send((step.x, v, model.advance))
        except StopIteration:
            return float(most)
        del v
        most = max(most, held(size) - outside)


def held(size: int) -> int:
    """Counts live storages of at least that many float32 numbers that are not parameters."""
    gc.collect()
    found = set()
    for thing in gc.get_objects():
        if type(thing) is torch.Tensor and thing.numel() == size and not thing.requires_grad:
            found.add(thing.untyped_storage().data_ptr())
    return len(found)


if __name__ == "__main__":
    main()
