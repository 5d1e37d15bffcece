"""TeaCache against an independent statement of what its authors published."""

import numpy as np
import published
import pytest
import torch
from stand import STEPS, assert_same, evaluations, generated, in_full_alone, requests, stand, tiny
from tiny_pipelines import hunyuan_video

from fastflow import Sampler
from fastflow.acceleration.interception import attach, detach
from fastflow.evaluation.method import Learned
from fastflow.integration.corrector import NoCorrection
from fastflow.integration.extrapolator import Reuse
from fastflow.registry.compose import preset
from fastflow_plugins.methods.block_cache import blocks_of
from fastflow_plugins.methods.teacache_method import Bypass, TeaCacheMethod
from fastflow_plugins.policies.published.teacache import Change, TeaCache

# by the authors: https://github.com/ali-vilab/TeaCache; Kontext's by ComfyUI-TeaCache
COEFFICIENTS = {
    "teacache_flux": (
        [4.98651651e02, -2.83781631e02, 5.58554382e01, -3.82021401e00, 2.64230861e-01],
        0.4,
    ),
    "teacache_flux_kontext": (
        [-1.04655119e03, 3.12563399e02, -1.69500694e01, 4.10995971e-01, 3.74537863e-02],
        0.4,
    ),
    "teacache_hunyuan_video": (
        [7.33226126e02, -4.01131952e02, 6.75869174e01, -3.14987800e00, 9.61237896e-02],
        0.15,
    ),
}
RULES = [(0.3, (0.5, 0.02)), (0.6, COEFFICIENTS["teacache_flux"][0]), (50.0, (1.0, 0.0))]
GUIDANCE = pytest.mark.parametrize("true_cfg_scale", [1.0, 2.5], ids=["plain", "true_cfg"])


@torch.no_grad()
def stated(model, request, threshold, coefficients):
    """Runs a request by the statement; returns x and the computed steps."""
    problem, guidance = model.prepare(request), torch.full([1], model.recipe.guidance_scale)
    sigmas = problem.grid.sigmas

    def calls(x, k):
        return [
            {
                "hidden_states": x,
                "timestep": problem.grid.model_times[k : k + 1] / 1000,
                "guidance": guidance,
                "pooled_projections": text.pooled,
                "encoder_hidden_states": text.tokens,
                "txt_ids": text.ids,
                "img_ids": problem.conditioning.image_ids,
            }
            for text in problem.conditioning.texts
        ]

    def guide(v, away=None):
        return v if away is None else away + model.recipe.true_cfg_scale * (v - away)

    network = published.Network(model.network, published.flux_embed, published.flux_head)
    rule = published.Decisions(threshold, coefficients, request.steps)
    return published.run(network, rule, problem.x, sigmas, calls, guide)


@GUIDANCE
@pytest.mark.parametrize(("threshold", "coefficients"), RULES)
def test_decisions_and_outputs_are_those_of_the_published_rule(
    threshold, coefficients, true_cfg_scale
):
    model, bench, asked, _ = stand(true_cfg_scale)
    method = TeaCacheMethod(threshold=threshold, coefficients=tuple(coefficients))
    samples = generated(method, bench, asked)
    for sample, request in zip(samples, asked, strict=True):
        x, computed = stated(model, request, threshold, coefficients)
        assert sample.computed == computed
        assert sample.calls == len(computed) * model.calls_per_velocity
        assert torch.equal(sample.x, x)
    assert len(samples[0].computed) < STEPS


@GUIDANCE
def test_a_threshold_of_zero_is_the_full_run_bit_for_bit(true_cfg_scale):
    _, bench, asked, whole = stand(true_cfg_scale)
    method = TeaCacheMethod(threshold=0.0, coefficients=(1.0, 0.0))
    assert_same(generated(method, bench, asked), whole)


def test_all_blocks_are_left_out_and_every_sample_begins_anew():
    model, bench, asked, _ = stand()
    method = TeaCacheMethod(threshold=50.0, coefficients=(1.0, 0.0))
    with evaluations(model, 0) as first, evaluations(model, -1) as last:
        samples = generated(method, bench, asked)
    assert [sample.computed for sample in samples] == [(0, STEPS - 1)] * 2
    assert len(first) == len(last) == 4
    assert torch.equal(samples[1].x, stated(model, asked[1], 50.0, (1.0, 0.0))[0])


@torch.no_grad()
@pytest.mark.parametrize("branches", [1, 2], ids=["plain", "true_cfg"])
@pytest.mark.parametrize("threshold", [0.0, 0.2])
def test_hunyuan_video_follows_it_too(threshold, branches):
    steps, coefficients = 10, (0.5, 0.02)
    transformer = hunyuan_video.transformer(guidance_embeds=True, patch_size=2).eval()
    sigmas = torch.linspace(1, 0, steps + 1)
    text = torch.randn(branches, 6, 16), torch.randn(branches, hunyuan_video.texts.WIDTH)

    def calls(x, k):
        return [
            {
                "hidden_states": x,
                "timestep": (sigmas[k : k + 1] * 1000),
                "encoder_hidden_states": text[0][i : i + 1],
                "encoder_attention_mask": torch.ones(1, 6),
                "pooled_projections": text[1][i : i + 1],
                "guidance": torch.full([1], 6000.0),
            }
            for i in range(branches)
        ]

    def guide(v, away=None):
        return v if away is None else away + 2.5 * (v - away)

    noise = torch.randn(1, 4, 2, 4, 8)
    parts = published.hunyuan_embed, published.hunyuan_head
    network = published.Network(transformer, *parts)
    rule = published.Decisions(threshold, coefficients, steps)
    end, computed = published.run(network, rule, noise, sigmas, calls, guide)

    bypass = Bypass(transformer, lambda: Change(threshold, coefficients), branches, steps)
    gated = [transformer, *blocks_of(transformer)]
    for part in gated:
        attach(part, bypass, "__call__")
    x, made = noise, []
    for k in range(steps):
        v = guide(*(transformer(**one, return_dict=False)[0] for one in calls(x, k)))
        made += [k] if bypass.computes else []
        x = (x.float() + (sigmas[k + 1] - sigmas[k]) * v).to(v.dtype)
    for part in gated:
        detach(part, bypass)
    assert tuple(made) == computed
    assert torch.equal(x, end)
    assert (len(computed) < steps) == (threshold > 0)


@GUIDANCE
@pytest.mark.parametrize(("threshold", "coefficients"), RULES)
def test_the_policy_decides_by_the_same_rule(threshold, coefficients, true_cfg_scale):
    """Where it skips, the velocity is used again: the trajectory is its own, the rule the same."""
    model, (request,) = tiny(true_cfg_scale), requests(1)
    policy = TeaCache(threshold=threshold, coefficients=tuple(coefficients))
    seen = []
    plain = model.probe

    def probe(x, t, conditioning):
        seen.append(plain(x, t, conditioning))
        return seen[-1]

    model.probe = probe
    (sample,) = Sampler(model, policy, Reuse(), NoCorrection()).generate([request])
    rule = published.Decisions(threshold, coefficients, STEPS)
    assert len(seen) == STEPS
    assert sample.computed == tuple(k for k, look in enumerate(seen) if rule.computes(look))
    assert len(sample.computed) < STEPS


def test_a_model_without_a_probe_is_computed_in_full(monkeypatch):
    model, asked = tiny(), requests(1)
    monkeypatch.setattr(type(model), "probe", lambda *_: None)
    policy = TeaCache(threshold=9.0)
    samples = list(Sampler(model, policy, Reuse(), NoCorrection()).generate(asked))
    assert_same(samples, in_full_alone(model, asked))


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_presets_hold_the_published_coefficients(name):
    coefficients, threshold = COEFFICIENTS[name]
    assert preset("policy", name) == TeaCache(
        coefficients=tuple(coefficients), threshold=threshold
    )


def test_the_method_fits_its_polynomial_only_if_it_is_given_none():
    bench = stand().bench
    given = TeaCacheMethod(coefficients=(2.0, 1.0)).learn(bench, [])
    assert given == Learned((2.0, 1.0), 0, 0)
    fitted = TeaCacheMethod().learn(bench, [])
    assert fitted.what == TeaCache().calibrated(bench.tuning).coefficients
    assert (fitted.samples, fitted.calls) == (2, 2 * STEPS)
    assert np.isfinite(fitted.what).all()
