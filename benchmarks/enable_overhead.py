"""Measures the time that `enable` adds to a pipeline's call where nothing is skipped.

Run with `make bench`. A FluxPipeline is called alternately untouched and enabled with the policy
never; the whole call is timed, prompt to image. It prints ratios of medians, by the clock and by
the processor's time, which other processes disturb less. It also prints the milliseconds added to
a pipeline whose network takes no time: the least over many calls, which they hardly disturb.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from pairs import interleaved
from stand_in import StandIn

import fastflow
from fastflow_minis import folder

ALLOWED = 1.01
SHORTEST = 0.05  # seconds of a call: a ratio over a shorter one is not informative
LARGE = {"num_layers": 2, "num_single_layers": 4, "num_attention_heads": 6}
CALLS = {"random weights, 4 steps": (LARGE, 4), "flux_mini, 8 steps": ({}, 8)}


class Spent(NamedTuple):
    """The seconds of a call, by the clock and of all the process's threads."""

    clock: float
    processor: float


def main() -> None:
    """Prints the ratio for each kind of call, and writes all figures to a JSON file if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="for each kind of call")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures: dict = {f"{steps} steps": bare(steps) for steps in (4, 8, 28, 50)}
    for name, spent in figures.items():
        print(f"{name}, network left out: {spent:.2f} ms added to a call")
    print(f"what `enable` adds where nothing is skipped; allowed: {ALLOWED - 1:.1%}")
    for name, (sizes, steps) in CALLS.items():
        seen = figures[name] = added(pipeline(sizes), steps, options.seconds, name)
        print(f"{name}: {seen['plain_ms']:.0f} ms a call, {seen['pairs']} pairs")
        for kind in Spent._fields:
            value, low, high = (f"{r - 1:+.2%}" for r in (seen[kind], *seen[f"{kind}_interval"]))
            print(f"    {kind:<10} {value} [{low}, {high}]")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def bare(steps: int, repeats: int = 300) -> float:
    """Returns the milliseconds added to a call whose network takes no time, least minus least."""
    pipe, plain, enabled = StandIn(), [], []

    def seconds() -> float:
        start = time.thread_time()
        pipe(steps)
        return time.thread_time() - start

    for _ in range(repeats):
        plain.append(seconds())
        with fastflow.enable(pipe, "never"):
            enabled.append(seconds())
    return 1000 * (min(enabled) - min(plain))


def pipeline(sizes: dict) -> FluxPipeline:
    """Returns flux_mini or, given other sizes of its transformer, one with random weights."""
    pipe = FluxPipeline.from_pretrained(folder("flux_mini"))
    pipe.set_progress_bar_config(disable=True)
    if sizes:
        torch.manual_seed(0)
        config = dict(pipe.transformer.config) | sizes
        pipe.transformer = FluxTransformer2DModel.from_config(config).eval()
    return pipe


def added(pipe: FluxPipeline, steps: int, seconds: float, name: str) -> dict:
    """Returns the ratios of medians, enabled over plain, with their 95 % intervals."""

    def plain() -> Spent:
        start = Spent(time.perf_counter(), time.process_time())
        pipe(
            "a photo of a red circle",
            height=64,
            width=64,
            max_sequence_length=14,
            num_inference_steps=steps,
            generator=torch.Generator().manual_seed(0),
        )
        return Spent(time.perf_counter() - start.clock, time.process_time() - start.processor)

    def enabled() -> Spent:
        with fastflow.enable(pipe, "never"):
            return plain()

    plain()
    one = plain().clock
    if one < SHORTEST:
        raise SystemExit(f"a call of {name} takes {one * 1000:.0f} ms here: too short.")
    pairs = list(interleaved(enabled, plain, max(int(seconds / 2 / one), 10), name))
    found = {"plain_ms": 1000 * statistics.median(b.clock for _, b in pairs), "pairs": len(pairs)}
    for kind in Spent._fields:
        times = [(getattr(a, kind), getattr(b, kind)) for a, b in pairs]
        found |= {kind: ratio(times), f"{kind}_interval": interval(times)}
    return found


def ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Returns the median of the first over the median of the second."""
    first, second = zip(*pairs, strict=True)
    return statistics.median(first) / statistics.median(second)


def interval(pairs: Sequence[tuple[float, float]], resamples: int = 1000) -> tuple[float, float]:
    """Returns the 95 % percentile interval of the ratio over resampled pairs."""
    draw = random.Random(0)
    found = sorted(ratio(draw.choices(pairs, k=len(pairs))) for _ in range(resamples))
    return found[resamples // 40], found[-resamples // 40]


if __name__ == "__main__":
    main()
