"""Writes identity.md: what `enable` does to each tiny pipeline, measured.

Run ``make identity`` after a change to `enable` or to the tiny pipelines; a test measures every
row again and compares.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

TESTS = Path(__file__).parents[1] / "tests"
PLACES = [str(TESTS / "support"), str(TESTS / "acceleration")]
sys.path[:0] = [path for path in PLACES if path not in sys.path]

from matrix import Row, measure  # noqa: E402
from tiny_pipelines.case import Case  # noqa: E402
from tiny_pipelines.cases import FLOWS  # noqa: E402

PAGE = Path(__file__).with_name("identity.md")
PAIRS = [(case, dtype) for case in FLOWS for dtype in case.dtypes]
HEAD = """\
# The identity matrix

What [`enable`](pipelines.md) does to the pipelines of diffusers, measured: each row is a whole
pipeline with small random weights that is called untouched, enabled with `policy="never"`, enabled
with `Every(interval=3)`, and untouched again. `make identity` writes this table, and the tests
measure every row of it again.

- **never skipping**: whether the output is bit for bit that of the untouched pipeline.
- **disabled**: whether it is so again after `disable()`.
- **counted**: whether the statistics count exactly the calls that hooks on the transformers
  recorded, both without and with skipping.
- **calls**: calls of the transformer, by the untouched pipeline and with every third step
  computed. With guidance a step may take two calls. Steps at both ends, and on both sides of a
  change of experts, are always computed.

<!-- written by `make identity`; do not edit -->

| way of calling | pipeline and scheduler | precision | never skipping | disabled | counted | \
calls | calls, every third | computed |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """Measures every pipeline and returns the page."""
    return HEAD + "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    for case, dtype in PAIRS:
        yield line(case, dtype, measure(case, dtype))


def line(case: Case, dtype: torch.dtype, seen: Row) -> str:
    """Returns a pipeline's row of the table."""
    exact = seen.plain == seen.never and seen.made == seen.counted
    cells = (
        case.name.replace("_", " "),
        f"`{seen.pipeline}`, `{seen.scheduler}`",
        str(dtype).removeprefix("torch."),
        "identical" if seen.enabled else "**differs**",
        "identical" if seen.disabled else "**differs**",
        "exactly" if exact else "**wrongly**",
        str(seen.plain),
        str(seen.made),
        " ".join(map(str, seen.computed)),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "fastflow: . steps leave little to skip", UserWarning)
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
