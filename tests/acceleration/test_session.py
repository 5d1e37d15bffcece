"""The push driver by itself: answers, counts, and jumps that are not in the time grid."""

import torch

from fastflow import Grid
from fastflow.acceleration.following.session import Session
from fastflow.integration.episode import Scheme, Unskipped
from fastflow.integration.feedback import FeedbackSpec
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.policies.static import Schedule


def drive(turns, steps, networks=None):
    """Simulates a pipeline whose step k makes ``turns[k]`` network calls.

    The call number i of step k returns k + i / 10; the velocity is the sum of a step's outputs.

    Returns:
        The session, every step's answers and every step's velocity.
    """
    grid = Grid.even(len(turns))
    session = Session(grid, Scheme(Linear(), Interpolate()), Schedule(steps), (0, 0), torch.mean)
    x, answered, velocities = torch.zeros(1, 1), [], []
    for k, count in enumerate(turns):
        network = networks[k] if networks else "network"
        answers = [
            session.call(network, True, lambda k=k, i=i: k + i / 10, lambda: None)
            for i in range(count)
        ]
        answered.append(tuple(answers))
        v = torch.full((1, 1), float(sum(answers)))
        session.advance(x, v, lambda x, v: velocities.append(v.item()) or x)
    return session, answered, velocities


def test_a_skipped_step_gets_the_outputs_of_the_last_computed_step_call_by_call():
    session, answered, velocities = drive([2] * 6, {0, 2, 5})
    assert session.computed == [0, 2, 5]
    assert answered == [(0, 0.1), (0, 0.1), (2, 2.1), (2, 2.1), (2, 2.1), (5, 5.1)]
    assert (session.calls, session.skipped) == (6, 6)
    # stale outputs are not used: velocities are on the line through 0.1 and 4.1
    assert [round(v, 4) for v in velocities] == [0.1, 0.1, 4.1, 6.1, 8.1, 10.1]
    assert session.end is not None


def test_where_guidance_ends_on_a_skipped_step_the_next_is_computed_and_history_restarts():
    session, answered, velocities = drive([2] * 4 + [1] * 8, {0, 1, 8})
    assert session.computed == [0, 1, 5, 8, 11]
    assert answered[4] == (1,)
    assert [round(v, 4) for v in velocities[5:8]] == [
        5,
        5,
        5,
    ]  # with one velocity, extrapolation is constant
    observations = session.end.feedback.observations
    assert [(o.step, o.landing) for o in observations] == [(5, 8), (8, 11)]


def test_where_guidance_begins_on_a_computed_step_history_restarts():
    session, _, _ = drive([1] * 4 + [2] * 4, {0, 1, 2, 4, 6})
    assert session.computed == [0, 1, 2, 4, 6, 7]
    observations = session.end.feedback.observations
    assert [(o.step, o.landing) for o in observations] == [(4, 6)]


def test_the_outputs_of_one_network_never_answer_for_another():
    networks = ["high"] * 3 + ["low"] * 5
    session, answered, _ = drive([1] * 8, {0, 6}, networks)
    assert session.computed == [0, 3, 6, 7]
    assert answered[3] == (3,)


def test_calls_that_the_last_computed_step_did_not_make_are_made():
    session, answered, _ = drive([1, 2, 1, 1], {0})
    assert answered[1] == (0, 1.1)
    assert (session.calls, session.skipped) == (4, 1)
    assert session.computed == [0, 2, 3]


def test_where_the_size_of_the_latents_changes_history_restarts():
    episode = Unskipped(FeedbackSpec(gram=True, all_arms=True, lookback=4))
    session = Session(Grid.even(6), Scheme(Linear(), Interpolate()), episode, (0, 0), torch.mean)
    for size in (2, 2, 2, 4, 4, 4):
        v = session.call("network", 1, lambda size=size: torch.ones(1, size), lambda: None)
        session.advance(torch.zeros(1, size), v, lambda x, v: x)
    gram = session.end.feedback.gram
    assert [k for k in range(1, 6) if gram[k, k - 1] != 1] == [3]
