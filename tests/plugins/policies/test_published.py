"""Published rules, each held against a second, differently written statement of the rule."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from fastflow.integration import Episode, StepContext
from fastflow.integration.corrector import NoCorrection
from fastflow.integration.extrapolator import Reuse
from fastflow.testing import drive, uneven
from fastflow.testing.drive import PLAIN_SCHEME, field, start
from fastflow_plugins.extrapolators import Offset, Spectrum
from fastflow_plugins.policies.published.easycache import EasyCache
from fastflow_plugins.policies.published.flowcast import FlowCast
from fastflow_plugins.policies.published.growing_gaps import GrowingGaps
from fastflow_plugins.policies.published.history import History
from fastflow_plugins.policies.published.seacache import SeaCache, content, token_grid
from fastflow_plugins.policies.published.step_mask import StepMask
from fastflow_plugins.policies.static import Listed

GRIDS = [uneven(50), uneven(30, 1.5), uneven(25, jumps=frozenset({8, 17}))]


def walk(grid, decide, predict):
    """Integrates with a plain loop; returns the computed steps and the final x.

    Args:
        grid: the time grid.
        decide: ``(k, x, computed) -> bool``, of the steps that are not forced; ``computed`` are
            the earlier ones as (step, x, v).
        predict: ``(x, computed, t) -> v``.
    """
    x, computed = start(0), []
    for k in range(grid.steps):
        forced = grid.is_forced(k)
        wanted = decide(k, x, computed, forced)
        if wanted or forced:
            computed.append((k, x, field(x, grid.sigma[k])))
            v = computed[-1][2]
        else:
            v = predict(x, computed, grid.sigma[k])
        x = x + (grid.sigma[k + 1] - grid.sigma[k]) * v
    return tuple(k for k, _, _ in computed), x


def reuse(x, computed, t):
    return computed[-1][2]


def l1(x):
    return np.abs(np.asarray(x)).sum()


# SeaCache


def wiener(x, sigma, axis, power):
    """Filters along one axis by the dense Fourier matrix; the gain is stated by powers."""
    n = x.shape[axis]
    f = np.minimum(np.arange(n), n - np.arange(n)) / n
    signal, a, b = 1 / (f**power + 1e-16), 1 - sigma, sigma
    gain = a * signal / (a**2 * signal + b**2 + 1e-16)
    matrix = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
    filtering = matrix.conj() @ np.diag(gain) @ matrix / n
    moved = np.moveaxis(x, axis, -1) @ filtering.T
    return np.moveaxis(moved, -1, axis).real, gain.mean()


@pytest.mark.parametrize("sigma", [0.02, 0.5, 0.97])
@pytest.mark.parametrize("power", [2.0, 3.0])
def test_seacache_filters_by_the_wiener_gain_of_each_axis(sigma, power):
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = x.numpy()
    for axis in (1, 2):
        expected, mean = wiener(expected, sigma, axis, power)
        expected = expected / mean
    np.testing.assert_allclose(content(x, sigma, (1, 2), power).numpy(), expected, atol=1e-12)


def test_seacache_keeps_details_at_the_data_end_and_removes_them_at_the_noise_end():
    rough = torch.tensor([[1.0, -1.0] * 8], dtype=torch.float64)
    flat = torch.ones(1, 16, dtype=torch.float64)
    sizes = {
        s: float(content(rough, s, (1,), 2.0).abs().mean() / content(flat, s, (1,), 2.0).mean())
        for s in (0.001, 0.5, 0.999)
    }
    assert sizes[0.001] == pytest.approx(1, abs=1e-3)
    assert sizes[0.001] > sizes[0.5] > sizes[0.999]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 3.0])
def test_seacache_accumulates_the_change_of_the_filtered_input(grid, threshold):
    total, last = 0.0, None

    def decide(k, x, computed, forced):
        nonlocal total, last
        signal = np.cos(x.numpy() + grid.sigma[k])  # the probe of `drive`
        sigma = min(max(grid.sigma[k], 1e-6), 1 - 1e-6)
        filtered, mean = wiener(signal, sigma, 1, 2.0)
        filtered = filtered / mean
        if last is not None:
            total += l1(filtered - last) / l1(last)
        last = filtered
        if forced or total >= threshold:
            total = 0.0
            return True
        return False

    expected, _ = walk(grid, decide, reuse)
    assert drive(SeaCache(threshold=threshold), grid).computed == expected


@pytest.mark.parametrize(
    ("signal", "latents", "space"),
    [
        ((1, 16, 8), (1, 16, 64), (4, 4)),
        ((1, 15, 8), (1, 15, 64), (15,)),
        ((2, 3 * 4 * 6, 8), (2, 16, 3, 8, 12), (3, 4, 6)),
        ((2, 4 * 6, 8), (2, 16, 8, 12), (4, 6)),
        ((2, 16, 8, 12), (2, 16, 8, 12), ()),
    ],
)
def test_seacache_finds_the_space_of_tokens(signal, latents, space):
    assert token_grid(torch.zeros(signal), torch.zeros(latents)) == space


def test_seacache_uses_the_latents_of_a_model_without_a_probe():
    episode = SeaCache(threshold=0.2).begin(GRIDS[0], SeaCache().empty(GRIDS[0]))
    whole = decisions(episode, start(0))
    late = SeaCache(threshold=0.2).begin(GRIDS[0], SeaCache().empty(GRIDS[0]))
    assert decisions(late, torch.empty(0)) == whole
    assert 2 < sum(whole) < 49


def decisions(episode: Episode, first):
    """Returns what an episode decides; the latents of the first step may be known only later."""
    grid, x, contexts = GRIDS[0], start(0), []
    said = []
    for k in range(grid.steps):
        context = StepContext(grid, k, 0, (0, 0), PLAIN_SCHEME).at(x if k else first, ())
        said.append(episode.wants_model(context))
        context.x = x
        contexts.append(context)
        x = x + (grid.sigma[k + 1] - grid.sigma[k]) * field(x, grid.sigma[k])
    return said


# EasyCache


def easycache(grid, threshold, first):
    """States the rule as the public code does, with everything it carries from step to step."""
    error, rate, raw, raw_computed, output = 0.0, None, None, None, None

    def decide(k, x, computed, forced):
        nonlocal error, rate, raw, raw_computed, output
        if computed and (output is None or output is not computed[-1][2]):
            step, x_new, new = computed[-1]
            rate = None
            if output is not None and step not in grid.jumps:
                rate = l1(new - output) / l1(x_new - raw_computed)
            raw_computed, output = x_new, new
        before, raw = raw, x
        if k < first or forced or rate is None:
            error = 0.0
            return True
        error += rate * l1(x - before) / l1(output)
        if error < threshold:
            return False
        error = 0.0
        return True

    return decide


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 2.0])
@pytest.mark.parametrize("first", [1, 5])
def test_easycache_accumulates_the_predicted_change_of_the_velocity(grid, threshold, first):
    expected, _ = walk(grid, easycache(grid, threshold, first), reuse)
    policy = EasyCache(threshold=threshold, first=first)
    assert drive(policy, grid).computed == expected


@pytest.mark.parametrize("threshold", [0.05, 0.3])
def test_easycache_as_published_reuses_output_minus_input(threshold):
    grid = uneven(400)

    def published(x, computed, t):
        _, x_k, v_k = computed[-1]
        return x + (v_k - x_k)

    expected, _ = walk(grid, easycache(grid, threshold, 5), published)
    seen = drive(EasyCache(threshold=threshold), grid, extrapolator=Offset())
    assert len(seen.computed) == pytest.approx(len(expected), abs=1)


def test_the_offset_is_reused_while_x_moves_by_the_predicted_velocities():
    for steps, far in ((10, 2e-2), (1000, 2e-4)):
        v, x, t, h = 1.7, 0.4, 0.8, -0.3 / steps
        first = v - x
        for _ in range(steps):
            x, t = x + h * (x + first), t + h
        (weight,) = Offset().weights([0.8], t)
        assert weight * v == pytest.approx(x + first, abs=far)


# FlowCast


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("threshold", [0.0, 1e-3, 0.1, 10.0])
def test_flowcast_skips_while_the_line_is_near_the_last_velocity(grid, threshold):
    def decide(k, x, computed, forced):
        if len(computed) < 2 or computed[-1][0] in grid.jumps:
            return True
        (p, _, v_p), (j, _, v_j) = computed[-2:]
        line = np.polynomial.Polynomial.fit  # a fit through two points is the line
        points = [grid.sigma[p], grid.sigma[j]]
        at = [
            line(points, [float(a), float(b)], 1)(grid.sigma[k])
            for a, b in zip(v_p.flatten(), v_j.flatten(), strict=True)
        ]
        return np.mean((np.array(at) - v_j.flatten().numpy()) ** 2) >= threshold

    expected, _ = walk(grid, decide, reuse)
    assert drive(FlowCast(threshold=threshold), grid).computed == expected


# Spectrum's schedule, and its predictions over a whole trajectory


@pytest.mark.parametrize("steps", [10, 28, 50])
@pytest.mark.parametrize("growth", [0.0, 0.25, 0.75, 3.0])
@pytest.mark.parametrize("gap", [1.0, 2.0, 3.5])
def test_growing_gaps_count_the_skipped_steps(steps, growth, gap):
    window, skipped, computed = gap, 0, []
    for k in range(steps):
        if k < 5 or (skipped + 1) % int(window) == 0:
            computed.append(k)
            skipped = 0
            if k >= 5:
                window = round(window + growth, 3)
        else:
            skipped += 1
    grid = uneven(steps, compute_last=False)
    assert drive(GrowingGaps(growth=growth, gap=gap), grid).computed == tuple(computed)


def test_spectrum_is_fitted_to_all_velocities_since_the_start():
    grid = uneven(50)

    def ridge(x, computed, t):
        angle = np.arccos(
            np.clip(1 - 2 * np.array([grid.sigma[k] for k, _, _ in computed]), -1, 1)
        )
        rows = np.vstack([np.cos(np.outer(angle, range(5))), np.sqrt(0.1) * np.eye(5)])
        values = np.vstack([np.concatenate([v for _, _, v in computed]), np.zeros((5, 4))])
        fit, *_ = np.linalg.lstsq(rows, values, rcond=None)
        return torch.tensor(np.cos(np.arccos(1 - 2 * t) * np.arange(5)) @ fit)[None]

    steps = {*range(5), 7, 11, 16, 22, 29, 37, 46}
    _, expected = walk(grid, lambda k, *_: k in steps, ridge)
    seen = drive(Listed(steps=tuple(steps)), grid, extrapolator=Spectrum(share=1.0))
    torch.testing.assert_close(seen.x, expected, atol=1e-10, rtol=0)


# step masks

PUBLISHED = {
    "slow": "1111111101110011100110010001",
    "medium": "1111110110001100011000110001",
    "fast": "1111110100010000100000100001",
    "ultra": "1111001000001000000100000001",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_step_mask_is_the_published_one_at_28_steps(name):
    mask = PUBLISHED[name]
    computed = tuple(k for k, bit in enumerate(mask) if bit == "1")
    assert drive(StepMask(computed_steps=len(computed)), uneven(28)).computed == computed


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_masks_are_those_of_cache_dit(name):
    cache_dit = pytest.importorskip("cache_dit")
    assert (
        "".join(map(str, cache_dit.steps_mask(total_steps=28, mask_policy=name)))
        == (PUBLISHED[name])
    )


@pytest.mark.parametrize("steps", [9, 28, 50])
def test_a_scaled_step_mask_computes_as_many_steps_as_asked(steps):
    for count in range(2, steps + 1):
        assert len(drive(StepMask(computed_steps=count), uneven(steps)).computed) == count


def test_a_scaled_step_mask_is_dense_at_the_noise_end():
    gaps = [b - a for a, b in pairwise(drive(StepMask(computed_steps=14), uneven(50)).computed)]
    assert max(gaps[:4]) < min(gaps[-4:-1])


# what they have in common


def test_a_history_holds_the_last_two_computed_steps_and_ends_at_a_jump():
    grid, seen = uneven(12, jumps=frozenset({6})), []

    class Watching(Episode):
        def __init__(self):
            super().__init__(EasyCache().begin(grid, EasyCache().empty(grid)).feedback_spec)
            self.history = History()

        def wants_model(self, context):
            previous = self.history.see(context)
            last, before = self.history.last, self.history.before
            seen.append(
                (
                    previous and previous.index,
                    self.history.steps,
                    last and last.step,
                    before and before.step,
                )
            )
            return context.index == 3

    class Policy(EasyCache):
        def begin(self, grid, memory):
            return Watching()

    drive(Policy(), grid, extrapolator=Reuse(), corrector=NoCorrection())
    assert seen[:3] == [(None, 0, None, None), (0, 1, 0, None), (1, 1, 0, None)]
    assert seen[4] == (3, 2, 3, 0)  # steps 0 and 3
    assert seen[6] == (5, 3, 5, 3)  # and 5, the last before the jump
    assert seen[7:9] == [(6, 4, 6, None), (7, 4, 6, None)]


@pytest.mark.parametrize(
    ("component", "parameters", "message"),
    [
        (SeaCache, {"threshold": -1.0}, "`threshold` must be 0 or more, got -1.0."),
        (SeaCache, {"power": float("nan")}, "`power` must be 0 or more, got nan."),
        (EasyCache, {"threshold": -1.0}, "`threshold` must be 0 or more, got -1.0."),
        (EasyCache, {"first": 0}, "`first` must be 1 or more, got 0."),
        (FlowCast, {"threshold": -1.0}, "`threshold` must be 0 or more, got -1.0."),
        (GrowingGaps, {"growth": -0.5}, "`growth` must be 0 or more, got -0.5."),
        (GrowingGaps, {"gap": 0.5}, "`gap` must be 1 or more, got 0.5."),
        (GrowingGaps, {"first": 0}, "`first` must be 1 or more, got 0."),
        (StepMask, {"computed_steps": 1}, "`computed_steps` must be 2 or more, got 1."),
    ],
)
def test_a_wrong_parameter_is_refused(component, parameters, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        component(**parameters)
    assert str(refusal.value) == message
