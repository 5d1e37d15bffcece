"""How long `fastflow study` takes for many runs: by default 1,000 runs of 64 samples.

    python benchmarks/study_reading.py [--runs 1000] [--samples 64]

It writes run directories as `fastflow sample` does, with an empty file for every image, reads them
on one core, and prints the seconds of reading, of the estimates and of the whole command.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import yaml

from fastflow.evaluation.measurement import SampleRow
from fastflow.registry.compose import read
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling.sample import Seconds
from fastflow.studies import study
from fastflow.studies.grouping.section import sections_of
from fastflow.studies.reading.gather import gather

STEPS, SEEDS = 50, 5
T = TypeVar("T")


def main() -> None:
    """Writes the directories, reads them, and prints the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=64)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        write_runs(runs, given.runs, given.samples)
        gathered = timed("reading", lambda: gather([runs], progress=False))
        timed("estimating", lambda: sections_of(gathered.runs))
        made = timed("whole command", lambda: study([runs], Path(folder) / "study"))
    print(f"{made.runs} runs of {given.samples} samples, {made.left_out} left out")


def timed(name: str, work: Callable[[], T]) -> T:
    """Does something, prints its wall time and its processor time, and returns its result."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    seconds = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name:<14}{seconds[0]:6.1f} s, of which the processor {seconds[1]:.1f} s")
    return result


def write_runs(folder: Path, runs: int, samples: int) -> None:
    """Writes run directories that differ in the reward's mu and in the seed."""
    config = read(["model=mixture", "policy=ucb", f"samples={samples}"], "sample", RunSettings)
    config["steps"] = STEPS
    random = np.random.default_rng(0)
    for i in range(runs):
        path = folder / str(i)
        (path / "images").mkdir(parents=True)
        config["seed"] = 1000 * (i % SEEDS)
        config["policy"]["reward"]["mu"] = 0.001 * (1 + i // SEEDS)
        (path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        rows = [row(random, j, config["seed"]) for j in range(samples)]
        (path / "samples.jsonl").write_text("".join(json.dumps(r.to_json()) + "\n" for r in rows))
        (path / "summary.json").write_text(json.dumps({"samples": samples}))
        for one in rows:
            (path / str(one.image)).touch()
            (path / str(one.image_full)).touch()


def row(random: np.random.Generator, index: int, seed: int) -> SampleRow:
    """Returns a sample as a run measures it, with numbers at random."""
    computed = np.flatnonzero(random.random(STEPS) < 0.4).tolist()
    computed = sorted({0, STEPS - 1, *computed})
    times = [Seconds(encode=0.1, denoise=float(random.random()), decode=0.1) for _ in range(2)]
    return SampleRow(
        index=index,
        calls=len(computed),
        computed=tuple(computed),
        prompt=f"a prompt with some ten words, which is number {index}",
        task="counting",
        seed=seed + index,
        calls_full=STEPS,
        seconds=times[0],
        seconds_full=times[1],
        metrics={"psnr_db": float(random.normal(35, 5)), "ssim": float(random.random())},
        metrics_full={"score": float(random.random())},
        rms=float(random.random()),
        image=f"images/{index:04d}.png",
        image_full=f"images/{index:04d}_full.png",
        velocity_change=tuple(random.random(STEPS - 1).tolist()),
        observed=len(computed),
    )


if __name__ == "__main__":
    main()
