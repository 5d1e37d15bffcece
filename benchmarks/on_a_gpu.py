"""What `enable` costs on a GPU: identity, waiting for the device, and time per network call.

Run with ``python benchmarks/on_a_gpu.py``; it needs a CUDA device. The pipeline is flux_mini's
with a transformer as wide as FLUX's, with random weights, fewer blocks, and latents of 1024 x 1024
pixels: real kernels, real sizes, and pictures of nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from pairs import interleaved

import fastflow
from fastflow.acceleration import MemoryStore
from fastflow_minis import folder

WIDE = {"num_attention_heads": 24, "attention_head_dim": 128, "axes_dims_rope": (16, 56, 56)}
STEPS, COMPUTED, LEARNED = 50, 19, 4
SIDE = 512  # pixels of flux_mini's autoencoder, whose factor is 4: the latents of 1024 x 1024


def main() -> None:
    """Prints every figure, and writes them to a JSON file if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--blocks", type=int, nargs=2, default=(5, 10), help="double and single")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("this benchmark needs a CUDA device, and torch finds none.")
    pipe = pipeline(*options.blocks)
    figures: dict[str, float | str | bool] = {"device": torch.cuda.get_device_name()}
    for part in (identity, waits, never, skipping):
        for name, value in part(pipe, options.pairs).items():
            figures[name] = value
            print(f"{name:<66} {value}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def pipeline(double: int, single: int) -> FluxPipeline:
    """Returns flux_mini with a wide transformer of random weights, in bfloat16."""
    pipe = FluxPipeline.from_pretrained(folder("flux_mini"), torch_dtype=torch.bfloat16)
    config = dict(pipe.transformer.config) | WIDE
    config |= {"num_layers": double, "num_single_layers": single}
    torch.manual_seed(0)
    with torch.device("cuda"):
        pipe.transformer = FluxTransformer2DModel.from_config(config).to(torch.bfloat16).eval()
    pipe.to("cuda").set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: FluxPipeline, steps: int = STEPS, seed: int = 0) -> torch.Tensor:
    """Returns the final latents of a call."""
    random = torch.Generator("cuda").manual_seed(seed)
    return pipe(
        "a photo of a red circle",
        height=SIDE,
        width=SIDE,
        max_sequence_length=14,
        num_inference_steps=steps,
        generator=random,
        output_type="latent",
    ).images


def seconds(pipe: FluxPipeline, steps: int = STEPS) -> float:
    """Returns the seconds of a call, the device's work included."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    draw(pipe, steps)
    torch.cuda.synchronize()
    return time.perf_counter() - start


def identity(pipe: FluxPipeline, _: int) -> dict[str, bool]:
    """Returns whether never skipping is bit for bit the plain pipeline."""
    plain = draw(pipe)
    with fastflow.enable(pipe, "never"):
        same = bool(torch.equal(plain, draw(pipe)))
    return {"never skipping is bit for bit the plain pipeline": same}


def waits(pipe: FluxPipeline, _: int) -> dict[str, float]:
    """Returns how often each kind of call waits for the device, as torch counts it."""
    found = {"waits of a plain call": waited(lambda: draw(pipe))}
    with fastflow.enable(pipe, "never"):
        found["waits of a call that never skips"] = waited(lambda: draw(pipe))
    with fastflow.enable(pipe, computed_steps=COMPUTED):
        found["waits of the full call that a plan is learned from"] = waited(lambda: draw(pipe))
        draw(pipe)
        found[f"waits of a call that computes {COMPUTED} of {STEPS}"] = waited(lambda: draw(pipe))
    found[f"waits of a plain call of {COMPUTED} steps"] = waited(lambda: draw(pipe, COMPUTED))
    return found


def waited(call: Callable[[], object]) -> float:
    """Returns the number of synchronising operations during a call."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return float(sum("synchronizing" in str(warning.message) for warning in caught))


def never(pipe: FluxPipeline, pairs: int) -> dict[str, float]:
    """Returns the time of calls that never skip over that of plain ones."""

    def enabled() -> float:
        with fastflow.enable(pipe, "never"):
            return seconds(pipe)

    found = list(interleaved(enabled, lambda: seconds(pipe), pairs, "never / plain"))
    plain = statistics.median(b for _, b in found)
    return {
        "milliseconds of a plain network call": 1000 * plain / STEPS,
        "never / plain, median": statistics.median(a / b for a, b in found),
    }


def skipping(pipe: FluxPipeline, pairs: int) -> dict[str, float]:
    """Returns the time per network call over that of a plain call with as many network calls."""
    found = {}
    for policy in ("plan", "ucb"):
        with fastflow.enable(pipe, policy, computed_steps=COMPUTED) as accelerated:
            for seed in range(LEARNED):
                draw(pipe, seed=seed)
        store = accelerated.memory

        def each(policy: str = policy, store: MemoryStore = store) -> float:
            how = {"computed_steps": COMPUTED, "memory": store, "frozen": True}
            with fastflow.enable(pipe, policy, **how) as enabled:
                spent = seconds(pipe)
            return spent / len(enabled.stats.last.computed)

        plain = lambda: seconds(pipe, COMPUTED) / COMPUTED  # noqa: E731
        ratios = [a / b for a, b in interleaved(each, plain, pairs, policy)]
        found[f"{policy}, per network call / plain, median"] = statistics.median(ratios)
    return found


if __name__ == "__main__":
    main()
