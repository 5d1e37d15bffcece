"""Fitting TeaCache's polynomial to recorded trajectories."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stand import requests, tiny

from fastflow.sampling.model import ModelWrapper
from fastflow.sampling.recording import NoProbe, Recording
from fastflow_plugins.models.mixture import Mixture
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.published.teacache import TeaCache, changes

TRUE = (3.0, -2.0, 1.0, 0.5, 0.05)
STEPS = 20


class Known(ModelWrapper):
    """A model whose velocity changes by a polynomial of how much its probe changes.

    Args:
        noise: the relative size of the noise on the change of the velocity.
    """

    def __init__(self, noise=0.0):
        super().__init__(Mixture().load(dtype="float64"))
        draws = np.random.default_rng(0)
        self.steps = draws.uniform(0.02, 0.4, size=(8, STEPS))
        moved = np.polyval(TRUE, self.steps) * (1 + noise * draws.standard_normal((8, STEPS)))
        self.sizes = {
            "probe": np.cumprod(1 + self.steps, axis=1),
            "velocity": np.cumprod(1 + moved, axis=1),
        }

    def prepare(self, request):
        return replace(super().prepare(request), conditioning=request.index)

    def _signal(self, name, x, t, conditioning):
        at = zip(conditioning, (1 - t) * STEPS, strict=True)
        sizes = [self.sizes[name][i, round(float(k))] for i, k in at]
        return torch.tensor(sizes)[:, None] * torch.ones_like(x)

    def velocity(self, x, t, conditioning):
        return self._signal("velocity", x, t, conditioning)

    def probe(self, x, t, conditioning):
        return self._signal("probe", x, t, conditioning)


@pytest.mark.parametrize("keep_signals", [True, False])
@pytest.mark.parametrize("max_batch", [1, 3])
def test_a_known_polynomial_is_found_again(max_batch, keep_signals):
    recording = Recording.make(Known(), requests(4, STEPS), max_batch, keep_signals)
    fitted = TeaCache(threshold=0.3).calibrated(recording)
    assert fitted.coefficients == pytest.approx(TRUE, abs=1e-3)
    assert fitted == TeaCache(threshold=0.3, coefficients=fitted.coefficients)
    quality = fitted.quality(recording)
    assert quality["R^2"] == pytest.approx(1, abs=1e-8)
    assert quality["points"] == 4 * (STEPS - 1)
    assert {len(trajectory.signals) for trajectory in recording.trajectories.values()} == {
        STEPS * keep_signals
    }


def test_the_quality_is_the_explained_share_of_the_variance():
    recording = Recording.make(Known(noise=0.5), requests(4, STEPS), 4)
    fitted = TeaCache().calibrated(recording)
    signals, velocities = changes(recording)
    explained = np.corrcoef(np.polyval(fitted.coefficients, signals), velocities)[0, 1] ** 2
    assert fitted.quality(recording)["R^2"] == pytest.approx(explained)
    assert 0.1 < explained < 0.95
    worse = TeaCache(coefficients=(1.0, 0.0))
    assert worse.quality(recording)["R^2"] < explained


def test_what_is_recorded_are_the_changes_from_step_to_step():
    recording = Recording.make(tiny(), requests(2), 2)
    for trajectory in recording.trajectories.values():
        for k, change in enumerate(trajectory.changes, start=1):
            for value, signal in zip(
                change, (trajectory.signals, trajectory.velocities), strict=True
            ):
                context, last = signal[k], signal[k - 1]
                assert value == pytest.approx(
                    float((context - last).abs().sum() / last.abs().sum())
                )


def test_parts_of_a_recording_are_joined():
    model, asked = Known(), requests(4, STEPS)
    whole = Recording.make(model, asked, 2)
    parts = [Recording.make(model, asked[:2], 2), Recording.make(model, asked[2:], 2)]
    joined = Recording.joined(parts)
    assert joined.requests == whole.requests
    assert joined.calls == whole.calls
    assert list(joined.trajectories) == list(whole.trajectories)
    assert np.array_equal(joined.grams, whole.grams)
    assert TeaCache().calibrated(joined) == TeaCache().calibrated(whole)


def test_a_model_without_a_probe_is_refused():
    recording = Recording.make(Mixture().load(), requests(2), 2)
    message = (
        "^this model has no probe, so TeaCache's rule cannot be fitted to it. Give its "
        "transformer one in the hook `fastflow_probes`.$"
    )
    with pytest.raises(NoProbe, match=message):
        TeaCache().calibrated(recording)


@pytest.mark.parametrize("steps", [1, 5])
def test_too_few_changes_are_refused(steps):
    recording = Recording.make(tiny(), requests(1, steps), 1)
    message = (
        "^a polynomial of degree 4 needs 5 or more different changes of the probe, but "
        f"{steps - 1} were recorded. Use more steps or more samples.$"
    )
    with pytest.raises(ValueError, match=message):
        TeaCache().calibrated(recording)


def test_a_trajectory_that_is_not_finite_is_refused():
    model = Known()
    model.sizes["velocity"][1, 7] = np.nan
    with pytest.raises(
        ValueError, match="sample 1 cannot be recorded: the latents are not finite"
    ):
        Recording.make(model, requests(3, STEPS), 2)


def test_a_policy_without_parameters_to_fit_says_so():
    recording = Recording.make(Known(), requests(1, STEPS), 1)
    message = "^`Never` has nothing to calibrate: its parameters are set by hand.$"
    with pytest.raises(ValueError, match=message):
        Never().calibrated(recording)
    assert Never().quality(recording) == {}
