"""The loop: decisions, landings, feedback, and the velocities it keeps."""

import weakref

import pytest
import torch

from fastflow import Grid
from fastflow.integration import Episode
from fastflow.integration.corrector import NoCorrection
from fastflow.integration.episode import Scheme, Unskipped
from fastflow.integration.extrapolator import Reuse
from fastflow.integration.feedback import FeedbackSpec, exposure
from fastflow.integration.loop import flow
from fastflow.testing import drive, uneven
from fastflow.testing.drive import euler, field
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear, Quadratic
from fastflow_plugins.policies.static import Every, Listed, Schedule


def answer(loop, velocity):
    """Answers a loop with velocities by step; returns its trajectory and the x at every step."""
    step, xs = next(loop), []
    try:
        while True:
            xs.append(step.x.item())
            step = loop.send((step.x, velocity(step.k) if step.wants_model() else None, euler))
    except StopIteration as stop:
        return stop.value, xs


def scalar(value):
    return torch.tensor([[float(value)]], dtype=torch.float64)


def even(steps, **options):
    return Grid(torch.linspace(1, 0, steps + 1, dtype=torch.float64), **options)


def test_scheduled_steps_and_forced_steps_are_computed():
    grid = uneven(10, jumps=frozenset({6}))
    assert drive(Listed(steps=(2, 3)), grid).computed == (0, 2, 3, 5, 6, 9)
    assert drive(Every(interval=4), grid).computed == (0, 4, 5, 6, 8, 9)


def test_an_episode_is_not_asked_where_a_call_is_forced():
    class Asked(Episode):
        asked = ()

        def wants_model(self, context):
            self.asked = (*self.asked, (context.index, context.streak))
            return context.index == 3

    grid, episode = even(8, jumps=frozenset({5})), Asked()
    loop = flow(scalar(0), grid, Scheme(Reuse(), NoCorrection()), episode)
    end, _ = answer(loop, lambda k: scalar(1))
    assert end.computed == (0, 3, 4, 5, 7)
    assert episode.asked == ((1, 0), (2, 1), (3, 2), (6, 0))


def test_a_landing_is_corrected_as_by_hand():
    """Velocities 1, 3 at steps 0, 1; step 2 is skipped and extrapolated to 5; the landing is 4.

    The line from 3 to 4 gives 3.5 at step 2, so x moves by -0.25 (3.5 - 5) = 0.375.
    """
    velocities = {0: 1, 1: 3, 3: 4}
    for corrector, shift in ((NoCorrection(), 0.0), (Interpolate(), 0.375)):
        loop = flow(scalar(0), even(4), Scheme(Linear(), corrector), Schedule({0, 1, 3}))
        end, xs = answer(loop, lambda k: scalar(velocities[k]))
        assert xs == [0.0, -0.25, -1.0, -2.25]
        assert end.x.item() == -2.25 + shift - 1.0
        (seen,) = end.feedback.observations
        assert (seen.step, seen.arm, seen.landing, seen.taken) == (1, 1, 3, True)
        assert seen.error == 9.0  # the line gives 7 at the landing
        assert seen.exposure == 0.125  # half of one step of 0.25


def test_a_parabola_through_an_earlier_velocity_corrects_as_by_hand():
    """Through 1, 3, 4 at sigmas 1, 0.75, 0.25: at 0.5 the Lagrange weights are -1/3, 1, 1/3."""
    velocities = {0: 1, 1: 3, 3: 4}
    loop = flow(scalar(0), even(4), Scheme(Reuse(), Interpolate(order=2)), Schedule({0, 1, 3}))
    end, _ = answer(loop, lambda k: scalar(velocities[k]))
    corrected = -1 / 3 + 3 + 4 / 3
    assert end.x.item() == pytest.approx(-0.25 * (1 + 3 + corrected + 4), abs=1e-14)


def test_the_drivers_own_latents_are_used():
    loop = flow(scalar(0), even(2), Scheme(Reuse(), NoCorrection()), Unskipped())
    next(loop)
    step = loop.send((scalar(10), scalar(2), euler))
    assert step.x.item() == 9.0


def test_a_forced_step_without_a_velocity_is_an_error():
    loop = flow(scalar(0), even(3), Scheme(Reuse(), NoCorrection()), Unskipped())
    step = next(loop)
    message = "^step 0 has to be computed, but the answer has no velocity.$"
    with pytest.raises(RuntimeError, match=message):
        loop.send((step.x, None, euler))


def test_an_unskipped_trajectory_shows_every_arm_at_every_step():
    grid = uneven(9)
    velocities, seen = [], {}

    def velocity(x, t):
        velocities.append(field(x, t))
        return velocities[-1]

    episode = Unskipped(FeedbackSpec(all_arms=True, lookback=3))
    policy = type("Fixed", (Every,), {"begin": lambda self, grid, memory: episode})()
    for o in drive(policy, grid, velocity=velocity, extrapolator=Linear()).feedback.observations:
        seen[o.step, o.arm] = o
    assert set(seen) == {(k, m) for k in range(9) for m in range(4) if k + m + 1 < 9}
    for (k, m), o in seen.items():
        a, b, j = velocities[k], velocities[max(k - 1, 0)], k + m + 1
        slope = (grid.sigma[j] - grid.sigma[k]) / (grid.sigma[k] - grid.sigma[k - 1]) if k else 0
        error = (a + slope * (a - b) - velocities[j]).square().mean().item()
        assert o.error == pytest.approx(error, rel=1e-4, abs=1e-10)
        assert (o.landing, o.taken) == (j, m == 0)


def test_an_error_that_grows_linearly_enters_x_by_its_exposure():
    grid = even(8)
    assert exposure(grid, 2, 3) == 0.0
    assert exposure(grid, 0, 2) == pytest.approx(1 / 8 * 1 / 2)
    assert exposure(grid, 1, 5) == pytest.approx(1 / 8 * (1 + 2 + 3) / 4)
    bent = uneven(8)
    s = bent.sigma
    by_hand = sum((s[i] - s[i + 1]) * (s[2] - s[i]) / (s[2] - s[6]) for i in (3, 4, 5))
    assert exposure(bent, 2, 6) == pytest.approx(by_hand)


def test_immediate_feedback_is_observed_at_each_landing():
    class Observing(Schedule):
        observed = ()

        def observe(self, observations):
            self.observed = (*self.observed, *((o.step, o.landing) for o in observations))

    episode = Observing({0, 2, 5})
    episode.feedback_spec = FeedbackSpec(immediate=True)
    loop = flow(scalar(0), even(8), Scheme(Reuse(), NoCorrection()), episode)
    step, observed = next(loop), {}
    while step.k < 7:
        step = loop.send((step.x, scalar(1) if step.wants_model() else None, euler))
        observed[step.k] = episode.observed
    assert observed[2] == ()
    assert observed[3] == ((0, 2),)
    assert observed[6] == observed[7] == ((0, 2), (2, 5))


@pytest.mark.parametrize("lookback", [0, 2])
@pytest.mark.parametrize("extrapolator", [Reuse(), Linear(), Quadratic()])
@pytest.mark.parametrize("corrector", [NoCorrection(), Interpolate(), Interpolate(order=3)])
def test_no_more_velocities_are_kept_than_are_used(extrapolator, corrector, lookback):
    keep = max(extrapolator.depth, corrector.depth - 1) + lookback
    episode, alive = Schedule({0, 1, 2, 3, 5, 8, 9, 10, 11, 12, 15}), []
    episode.feedback_spec = FeedbackSpec(lookback=lookback)
    loop = flow(scalar(0), even(20), Scheme(extrapolator, corrector), episode)
    step = next(loop)
    while step.k < 19:
        v = scalar(step.k) if step.wants_model() else None
        alive += [weakref.ref(v)] if v is not None else []
        x, step = step.x, None
        step = loop.send((x, v, euler))
        del v
        assert sum(ref() is not None for ref in alive) <= keep


def test_an_episode_can_be_asked_at_forced_steps_where_its_answer_has_no_effect():
    class Attending(Schedule):
        asked = ()

        def wants_model(self, context):
            self.asked = (*self.asked, context.index)
            return super().wants_model(context)

    episode = Attending({3})
    episode.feedback_spec = FeedbackSpec(forced_steps=True)
    loop = flow(scalar(0), even(6), Scheme(Reuse(), NoCorrection()), episode)
    end, _ = answer(loop, lambda k: scalar(1))
    assert episode.asked == (0, 1, 2, 3, 4, 5)
    assert end.computed == (0, 3, 5)


@pytest.mark.parametrize("in_grid", [True, False], ids=["of the grid", "marked by the driver"])
def test_nothing_reaches_across_a_jump(in_grid):
    """Velocity 1 before step 6, 10 from there on: every skip stays exact, every error is 0."""
    grid = even(12, jumps=frozenset({6} if in_grid else ()))
    episode = Schedule({0, 1, 3, 5, 7, 10})
    scheme, seen = Scheme(Linear(), Interpolate()), []
    loop = flow(scalar(0), grid, scheme, episode)
    step = next(loop)
    try:
        while True:
            if step.k == 6:
                step.jump()
            v = scalar(1 if step.k < 6 else 10) if step.wants_model() else None
            if v is not None:
                seen.append(step.k)
            step = loop.send((step.x, v, euler))
    except StopIteration as stop:
        end = stop.value
    assert seen == [0, 1, 3, 5, 6, 7, 10, 11]
    assert end.x.item() == pytest.approx(-(6 * 1 + 6 * 10) / 12, abs=1e-14)
    assert [o.error for o in end.feedback.observations] == [0.0] * len(end.feedback.observations)


def test_the_error_of_a_batch_is_that_of_its_mean_or_of_its_worst_row():
    rows = {0: torch.zeros(3, 2), 2: torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])}
    for over_rows, error in ((torch.mean, 5 / 3), (torch.amax, 4.0)):
        scheme = Scheme(Reuse(), NoCorrection())
        loop = flow(torch.zeros(3, 2), Grid.even(3), scheme, Schedule({0, 2}), over_rows=over_rows)
        step = next(loop)
        try:
            while True:
                step = loop.send((step.x, rows[step.k] if step.wants_model() else None, euler))
        except StopIteration as stop:
            (seen,) = stop.value.feedback.observations
        assert seen.error == pytest.approx(error)


def test_an_episode_sees_x_and_the_last_computed_velocity():
    class Seeing(Episode):
        seen = ()

        def __init__(self):
            super().__init__(FeedbackSpec(forced_steps=True))

        def wants_model(self, context):
            last = context.last and (context.last.step, context.last.t, context.last.v.item())
            self.seen = (*self.seen, (context.x.item(), last))
            return context.index in (0, 3)

    grid, episode = even(5), Seeing()
    loop = flow(scalar(9), grid, Scheme(Reuse(), NoCorrection()), episode)
    _, xs = answer(loop, lambda k: scalar(k + 1))
    last = [None, (0, 1.0, 1.0), (0, 1.0, 1.0), (0, 1.0, 1.0), (3, grid.sigma[3], 4.0)]
    assert list(episode.seen) == list(zip(xs, last, strict=True))


def test_a_context_holds_the_latents_that_the_driver_brought():
    loop = flow(torch.empty(0), even(2), Scheme(Reuse(), NoCorrection()), Unskipped())
    first = next(loop).context
    assert not first.x.numel()
    assert loop.send((scalar(3), scalar(1), euler)).context.x == scalar(2.5)
    assert first.x == scalar(3)
