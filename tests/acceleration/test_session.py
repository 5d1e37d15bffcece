"""The push driver by itself: answers, counts, and jumps that no grid knew of."""

import torch

from fastflow import Grid
from fastflow.acceleration.session import Session
from fastflow.integration.episode import Scheme
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.policies.static import Schedule


def drive(turns, steps, networks=None):
    """Plays a pipeline whose step k makes ``turns[k]`` network calls; returns ride and answers.

    A call of step k answers k + turn / 10; the velocity is the sum of a step's answers.
    """
    grid = Grid.even(len(turns))
    ride = Session(grid, Scheme(Linear(), Interpolate()), Schedule(steps), (0, 0), torch.mean)
    x, answered, velocities = torch.zeros(1, 1), [], []
    for k, count in enumerate(turns):
        network = networks[k] if networks else "network"
        answers = [
            ride.call(network, True, lambda k=k, i=i: k + i / 10, lambda: None)
            for i in range(count)
        ]
        answered.append(tuple(answers))
        v = torch.full((1, 1), float(sum(answers)))
        ride.advance(x, v, lambda x, v: velocities.append(v.item()) or x)
    return ride, answered, velocities


def test_a_skipped_step_is_answered_with_the_last_computed_answers_in_turn():
    ride, answered, velocities = drive([2] * 6, {0, 2, 5})
    assert ride.computed == [0, 2, 5]
    assert answered == [(0, 0.1), (0, 0.1), (2, 2.1), (2, 2.1), (2, 2.1), (5, 5.1)]
    assert (ride.calls, ride.skipped) == (6, 6)
    # what the pipeline made of stale answers is not used: the line through 0.1 and 4.1 is
    assert [round(v, 4) for v in velocities] == [0.1, 0.1, 4.1, 6.1, 8.1, 10.1]
    assert ride.end is not None


def test_where_guidance_ends_on_a_skipped_step_the_next_is_computed_and_history_begins_anew():
    ride, answered, velocities = drive([2] * 4 + [1] * 8, {0, 1, 8})
    assert ride.computed == [0, 1, 5, 8, 11]
    assert answered[4] == (1,)
    assert [round(v, 4) for v in velocities[5:8]] == [5, 5, 5]  # one velocity is all there is
    seen = ride.end.feedback.observations
    assert [(o.step, o.landing) for o in seen] == [(5, 8), (8, 11)]


def test_where_guidance_begins_on_a_computed_step_nothing_is_continued_across():
    ride, _, _ = drive([1] * 4 + [2] * 4, {0, 1, 2, 4, 6})
    assert ride.computed == [0, 1, 2, 4, 6, 7]
    seen = ride.end.feedback.observations
    assert [(o.step, o.landing) for o in seen] == [(4, 6)]


def test_another_network_is_never_answered_for():
    networks = ["high"] * 3 + ["low"] * 5
    ride, answered, _ = drive([1] * 8, {0, 6}, networks)
    assert ride.computed == [0, 3, 6, 7]
    assert answered[3] == (3,)


def test_calls_that_the_last_computed_step_did_not_make_are_made():
    ride, answered, _ = drive([1, 2, 1, 1], {0})
    assert answered[1] == (0, 1.1)
    assert (ride.calls, ride.skipped) == (4, 1)
    assert ride.computed == [0, 2, 3]
