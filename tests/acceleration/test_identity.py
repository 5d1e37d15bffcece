"""Never skipping is the untouched pipeline, bit for bit, and counts are exact: every family."""

import importlib.util
from pathlib import Path

import pytest
from matrix import measure

from fastflow.acceleration.pipeline_parts import COUNTED

DOCS = Path(__file__).parents[2] / "docs"
SPEC = importlib.util.spec_from_file_location("identity", DOCS / "identity.py")
identity = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(identity)
PAGE = (DOCS / "identity.md").read_text(encoding="utf-8")
NAMES = [f"{case.name}-{dtype}".replace("torch.", "") for case, dtype in identity.PAIRS]
LITTLE = "ignore:fastflow. . steps leave little to skip:UserWarning"


@pytest.mark.filterwarnings(LITTLE)
@pytest.mark.parametrize(("case", "dtype"), identity.PAIRS, ids=NAMES)
def test_never_skipping_is_the_untouched_pipeline_and_counts_are_exact(case, dtype):
    row = measure(case, dtype)
    assert row.enabled
    assert row.disabled
    per_step = [sum(name.startswith(COUNTED) for name in step) for step in case.calls]
    assert row.plain == row.never == sum(per_step)
    assert row.made == row.counted == sum(per_step[k] for k in row.computed)
    assert row.skipped == row.plain - row.made > 0
    assert row.computed == expected(case)
    assert identity.line(case, dtype, row) in PAGE.splitlines(), "run: make identity"


def test_the_page_has_a_row_for_each_and_no_other():
    assert PAGE.startswith(identity.HEAD)
    assert PAGE.removeprefix(identity.HEAD).count("\n") == len(identity.PAIRS)


def expected(case):
    """Returns the steps computed at an interval of 3, with both ends and both experts' ends."""
    last = case.steps - 1
    switches = {k + d for k in case.switches for d in (-1, 0)}
    return tuple(sorted({*range(0, case.steps, 3), last, *switches}))
