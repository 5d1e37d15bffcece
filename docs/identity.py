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
sys.path[:0] = [path for path in (str(TESTS), str(TESTS / "enable")) if path not in sys.path]

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
measure every row of it anew.

- **never skipping**: whether the output is bit for bit that of the untouched pipeline.
- **disabled**: whether it is so again afterwards.
- **counted**: whether the calls that the statistics count are those that hooks on the transformers
  saw, never skipping and skipping.
- **calls**: the transformer's, of the untouched pipeline and with every third step computed. Where
  guidance takes two calls a step costs two. Steps at both ends, and at both sides of a change of
  experts, are computed in any case.

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
