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
    seen = measure(case, dtype)
    assert seen.enabled
    assert seen.disabled
    per_step = [sum(name.startswith(COUNTED) for name in step) for step in case.calls]
    assert seen.plain == seen.never == sum(per_step)
    assert seen.made == seen.counted == sum(per_step[k] for k in seen.computed)
    assert seen.skipped == seen.plain - seen.made > 0
    assert seen.computed == expected(case)
    assert identity.line(case, dtype, seen) in PAGE.splitlines(), "say: make identity"


def test_the_page_has_a_row_for_each_and_no_other():
    assert PAGE.startswith(identity.HEAD)
    assert PAGE.removeprefix(identity.HEAD).count("\n") == len(identity.PAIRS)


def expected(case):
    """Returns the steps that skipping two of three computes: those, both ends, both experts'."""
    last = case.steps - 1
    switches = {k + d for k in case.switches for d in (-1, 0)}
    return tuple(sorted({*range(0, case.steps, 3), last, *switches}))
