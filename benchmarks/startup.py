"""How long `fastflow` takes until it answers, and which imports take the time.

Run with `make bench`, on a machine that does nothing else. Each command is started several times
in a process of its own, once before without being counted. Printed are the least time by the
clock, beside what is allowed, and the least processor time, which other processes disturb less;
then the packages that take longest to import for the slowest command.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence

ALLOWED = {  # seconds
    ("--help",): 0.3,
    ("sample", "--help"): 2.0,
    ("sample", "--cfg", "job"): 2.0,
}
LINE = re.compile(r"import time:\s+\d+ \|\s+(\d+) \|( +)(\S+)")


def seconds(words: Sequence[str], times: int) -> tuple[float, float]:
    """Returns the least time in which a command answers, by the clock and of the processor."""
    taken, spent = [], []
    for _ in range(times + 1):
        start, before = time.perf_counter(), os.times()
        subprocess.run(
            [sys.executable, "-m", "fastflow.cli", *words], check=True, capture_output=True
        )
        taken.append(time.perf_counter() - start)
        after = os.times()
        spent.append(sum(after[2:4]) - sum(before[2:4]))
    return min(taken[1:]), min(spent[1:])


def imports(words: Sequence[str], most: int) -> list[tuple[str, float]]:
    """Returns the packages that take longest to import, with what they import, in seconds."""
    command = [sys.executable, "-X", "importtime", "-m", "fastflow.cli", *words]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found: dict[str, float] = {}
    for total, _, name in LINE.findall(printed):
        package = name.partition(".")[0]
        found[package] = max(found.get(package, 0.0), int(total) / 1e6)
    return sorted(found.items(), key=lambda item: -item[1])[:most]


def main() -> None:
    """Prints the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    for words, allowed in ALLOWED.items():
        taken, spent = seconds(words, times)
        note = "" if taken <= allowed else "  TOO LONG"
        shown = f"{taken:.2f} s ({spent:.2f} s processor), allowed {allowed} s{note}"
        print(f"fastflow {' '.join(words):<20} {shown}")
    print("imported for `fastflow sample --cfg job`, each with what it imports itself:")
    for package, taken in imports(("sample", "--cfg", "job"), 8):
        print(f"  {package:<20} {taken:.2f} s")


if __name__ == "__main__":
    main()
