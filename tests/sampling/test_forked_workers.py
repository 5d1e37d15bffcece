"""Forked processes compute, whatever the first process did before."""

import pytest
import torch

from fastflow.sampling.executor import side_by_side


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.timeout(60)
def test_processes_compute_after_the_first_one_used_several_threads(four_threads):
    x = torch.ones(1000, 1000)
    (x @ x).exp()  # starts the threads, which a fork does not have
    found = side_by_side(lambda scale: float((scale * x @ x).sin().abs().max()), [1, 2, 3], 2)
    expected = [abs(torch.tensor(1000.0 * scale).sin().item()) for scale in (1, 2, 3)]
    assert sorted(found) == pytest.approx(sorted(expected), abs=1e-5)
