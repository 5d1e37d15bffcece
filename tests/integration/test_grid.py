"""The time grid: the sigmas it refuses, its forced steps, and the longest skips."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastflow import Grid


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        ([1.0], "`sigmas` must hold at least 2 points, got 1."),
        (
            [1.0, 0.5, 0.5],
            "`sigmas` must fall strictly from noise to data, got (1.0, 0.5, 0.5).",
        ),
        ([0.0, 1.0], "`sigmas` must fall strictly from noise to data, got (0.0, 1.0)."),
    ],
)
def test_sigmas_that_do_not_fall_are_refused(sigmas, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Grid(torch.tensor(sigmas))


def test_a_grid_of_nan_is_refused():
    with pytest.raises(ValueError, match="`sigmas` must fall strictly"):
        Grid(torch.tensor([1.0, float("nan"), 0.0]))


def test_an_even_grid_goes_from_noise_to_data():
    grid = Grid.even(4)
    assert grid.sigma == (1.0, 0.75, 0.5, 0.25, 0.0)
    assert grid.steps == 4
    assert grid.dsigmas.tolist() == [-0.25] * 4
    assert grid.model_times.tolist() == [1.0, 0.75, 0.5, 0.25]


def test_the_model_may_have_times_in_its_own_units():
    times = torch.tensor([1000.0, 500.0])
    assert Grid.even(2, times=times).model_times is times


def test_first_and_last_steps_of_every_piece_are_forced():
    grid = Grid.even(9, jumps=frozenset({4}))
    assert [k for k in range(9) if grid.is_forced(k)] == [0, 3, 4, 8]
    assert grid.longest_skip == (2, 1, 0, 0, 3, 2, 1, 0, 0)


def test_the_last_step_may_be_skipped_unless_it_is_forced():
    grid = Grid.even(5, compute_last=False)
    assert grid.longest_skip == (4, 3, 2, 1, 0)


@given(st.integers(1, 30), st.sets(st.integers(0, 29)), st.booleans())
def test_the_longest_skip_ends_before_the_next_forced_step(steps, marked, compute_last):
    grid = Grid.even(steps, jumps=frozenset(marked), compute_last=compute_last)
    for k in range(steps):
        m = 0
        while k + m + 1 < steps and not grid.is_forced(k + m + 1):
            m += 1
        assert grid.longest_skip[k] == m


def test_the_digest_differs_with_sigmas_and_forced_steps():
    grids = [
        Grid.even(8),
        Grid.even(9),
        Grid(Grid.even(8).sigmas ** 2),
        Grid.even(8, jumps=frozenset({3})),
        Grid.even(8, compute_last=False),
    ]
    assert len({g.digest for g in grids}) == len(grids)
    assert Grid.even(8).digest == grids[0].digest
    assert Grid.even(8, jumps=frozenset({0})).digest == grids[0].digest
