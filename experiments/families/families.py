"""Runs the comparison of every mini and task; see README.md.

Run with `python experiments/families/families.py`; a comparison that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fastflow.cli import main as fastflow

TASKS = {
    "flux_mini": "images, FLUX",
    "bagel_mini": "images, BAGEL",
    "kontext_mini": "edits, FLUX Kontext",
    "bagel_mini_edit": "edits, BAGEL",
    "hunyuan_video_mini": "videos, HunyuanVideo",
}
"""What each preset does."""

METHODS = [
    "euler",
    *("uniform", "uniform_uncorrected"),
    *("random_arms", "random_arms_uncorrected"),
    *("teacache_linear", "teacache_linear_uncorrected"),
    *("ucb_paper_corrected", "ucb_paper"),
    *("ucb", "ucb_uncorrected"),
    "plan",
    *("oracle_linear_corrected", "oracle_linear"),
    "negative_control",
]
"""Fewer steps, then each way to skip with and without correction, then the negative control."""


def main() -> None:
    """Compares on every preset that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=list(TASKS), help="all if none is named")
    parser.add_argument("--out", type=Path, default=Path("runs/families"))
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--targets", type=int, nargs="+", default=[25, 19, 14, 10])
    chosen = parser.parse_args()
    for preset in chosen.presets:
        asked = words(preset, chosen.out / preset, chosen.samples, chosen.targets)
        status = fastflow(["compare", *asked])
        if status:
            sys.exit(status)


def words(preset: str, out: Path, samples: int, targets: Sequence[int]) -> list[str]:
    """Returns the command's words: a new comparison, or one that goes on.

    TeaCache's rule needs a block's modulation, which BAGEL does not have.
    """
    if (out / "rows").is_dir():
        return [f"resume={out}"]
    methods = [name for name in METHODS if not ("teacache" in name and "bagel" in preset)]
    return [
        f"model={preset}",
        f"methods=[{','.join(methods)}]",
        f"samples={samples}",
        "max_batch=32",
        f"targets=[{','.join(map(str, targets))}]",
        "converged_steps=0",
        "pairs=2",
        f"out={out}",
    ]


if __name__ == "__main__":
    main()
