"""Never skipping is the untouched pipeline, bit for bit, and counts are exact: every family."""

import pytest
import torch
from matrix import measure
from tiny_pipelines.cases import FLOWS

from fastflow.seams import COUNTED

HALF = ("flux", "flux_true_cfg", "flux_kontext", "flux_img2img", "flux_inpaint", "hunyuan_video")
PAIRS = [(case, torch.float32) for case in FLOWS]
PAIRS += [(case, torch.bfloat16) for case in FLOWS if case.name in HALF]
NAMES = [f"{case.name}-{dtype}".replace("torch.", "") for case, dtype in PAIRS]
LITTLE = "ignore:fastflow. . steps leave little to skip:UserWarning"


@pytest.mark.filterwarnings(LITTLE)
@pytest.mark.parametrize(("case", "dtype"), PAIRS, ids=NAMES)
def test_never_skipping_is_the_untouched_pipeline_and_counts_are_exact(case, dtype):
    seen = measure(case, dtype)
    assert seen.enabled
    assert seen.disabled
    per_step = [sum(name.startswith(COUNTED) for name in step) for step in case.calls]
    assert seen.plain == seen.never == sum(per_step)
    assert seen.made == seen.counted == sum(per_step[k] for k in seen.computed)
    assert seen.skipped == seen.plain - seen.made > 0
    assert seen.computed == expected(case)


def expected(case):
    """Returns the steps that skipping two of three computes: those, both ends, both experts'."""
    last = case.steps - 1
    switches = {k + d for k in case.switches for d in (-1, 0)}
    return tuple(sorted({*range(0, case.steps, 3), last, *switches}))
