"""The throughput of `fastflow sample` in two processes of one thread each, over that in one.

Run with `make bench`, on a machine with two free cores. Runs of a few and of many samples
alternate between one process and two; the difference of a pair is the time of the samples alone,
without starting and the reference run that learning begins with. Printed is the ratio of the
medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

WORDS = ("model=flux_mini", "metrics=[fidelity]", "executor.progress=false")
WANTED = 1.8


def seconds(samples: int, processes: int, words: Sequence[str]) -> float:
    """Returns the seconds that a run of so many samples takes, from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fastflow", "sample", *WORDS, *words]
        command += [f"samples={samples}", f"out={Path(folder) / 'run'}"]
        command += ["executor.accelerator=cpu", f"executor.devices={processes}"]
        begun = time.perf_counter()
        quiet = subprocess.DEVNULL
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, env=environment, check=True, stdout=quiet, stderr=quiet)
        return time.perf_counter() - begun


def rate(few: int, many: int, processes: int, words: Sequence[str]) -> float:
    """Returns the samples generated in a second, without the time to start."""
    spent = seconds(many, processes, words) - seconds(few, processes, words)
    return (many - few) / spent


def main() -> None:
    """Measures, and prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--few", type=int, default=9)
    parser.add_argument("--many", type=int, default=73)
    parser.add_argument("words", nargs="*", help="settings of the runs, such as policy=uniform")
    asked = parser.parse_args()
    pairs = []
    for _ in range(asked.repeats):
        one, two = (rate(asked.few, asked.many, n, asked.words) for n in (1, 2))
        pairs.append((one, two))
        print(f"{one:6.2f} and {two:6.2f} samples a second: {two / one:.2f}", flush=True)
    one, two = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"two processes generate {two / one:.2f} times as many; wanted: {WANTED}")


if __name__ == "__main__":
    main()
