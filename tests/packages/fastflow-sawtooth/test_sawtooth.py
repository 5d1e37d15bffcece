"""What the package's author runs: pip install . pytest, then pytest."""

import pytest
from fastflow_sawtooth import Sawtooth

from fastflow.testing import check


@pytest.mark.parametrize("peak", [0, 1, 5])
def test_a_sawtooth_keeps_every_rule(peak):
    check(Sawtooth(peak=peak))
