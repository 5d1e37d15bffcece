"""BAGEL: what its own code gives, in batches too, and what that costs."""

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from exact_arithmetic import ExactArithmetic
from safetensors.torch import save_file
from tiny_pipelines import bagel

from fastflow import Request, Sampler
from fastflow.registry.compose import preset
from fastflow.sampling.reference import reference_sampler
from fastflow.testing import check
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear
from fastflow_plugins.models.bagel import Bagel
from fastflow_plugins.policies.bandits.random_arms import RandomArms
from fastflow_plugins.policies.static import Every

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
DRAWN = {
    "t2i": {"image_scale": 1.0},
    "t2i_img15": {"image_scale": 1.5},
    "t2i_channel": {"image_scale": 1.0, "renormalisation": "channel"},
}
EDITED = {
    f"edit_{name}": {"interval": (0, 1), "renormalisation": name}
    for name in ("text_channel", "global", "channel")
}
CASES = DRAWN | EDITED
# times are rounded four times (linspace, two products, a quotient), on two machines
TIMES = {"rtol": 8 * 2**-24, "atol": 0}
# noise is a radius, at most 5.8 (24 random bits), times the cosine of an angle below 8, which is
# rounded by 2 ** -22; five more results are rounded by 2 ** -24; all of it on two machines
NOISE = {"rtol": 0, "atol": 2 * 5.8 * (2**-22 + 5 * 2**-24)}


def requests(count=1, steps=6, **options):
    words = ["a cat", "two dogs and a tree", ""]
    return [Request(i, words[i % 3], 3 + i, steps, **options) for i in range(count)]


def samples(model, todo, policy=None, **options):
    sampler = Sampler(model, policy or Every(interval=1), Linear(), Interpolate(), **options)
    return sorted(sampler.generate(todo), key=lambda sample: sample.request.index)


def prepared(model, name):
    """Prepares what a recording began with."""
    edits = name.startswith("edit")
    image = bagel.reference() if edits else None
    return model.prepare(Request(0, "make it red" if edits else "a cat", 7, 11, image=image))


def velocities(model, problem, trace, steps):
    """Returns the model's velocities ``(S, N, 64)`` where a recording had been."""
    return torch.stack(
        [
            model.velocity(trace["x"][k : k + 1], trace["t"][k : k + 1], [problem.conditioning])[0]
            for k in steps
        ]
    )


def exact_velocities(model, trace, name, steps=range(11)):
    """Returns what the model would give if nothing was rounded, with the same weights."""
    autoencoder = copy.deepcopy(model.parts.autoencoder).double()
    widened = bagel.BagelFlow(replace(model.parts, autoencoder=autoencoder), model.recipe)
    with ExactArithmetic():
        return velocities(widened, prepared(widened, name), trace, steps).double()


def errors(exact, velocities):
    """Returns each row's relative distance from the exact velocity."""
    return (velocities - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)


def explained_by_rounding(exact, ours, recorded):
    """Says whether a recording lies as close to the exact velocities as its format allows.

    A recorded and a computed velocity are the exact one and the sum of thousands of roundings
    each, in another order on another machine. Such sums have the same size: on AVX-512, AVX2 and
    SSE4.1 the two differ by 9 % where there is guidance and by 60 % where there is little to
    round. So at every step the recording may have lost one bit more than we lose on this machine
    (a factor of two), and at our worst step we may have lost one bit more than the recording.
    """
    own, others = errors(exact, ours), errors(exact, recorded)
    return bool((others <= 2 * own).all() and own.max() <= 2 * others.max())


@pytest.mark.parametrize("name", CASES)
@DTYPES
def test_recorded_velocities_of_bagels_own_code_are_ours_up_to_rounding(name, dtype):
    model, trace = bagel.model(dtype, **CASES[name]), bagel.trace(name, dtype)
    problem = prepared(model, name)
    torch.testing.assert_close(problem.grid.model_times, trace["t"], **TIMES)
    torch.testing.assert_close(problem.x[0], trace["x"][0], **NOISE)
    exact = exact_velocities(model, trace, name)
    ours = velocities(model, problem, trace, range(11))
    assert explained_by_rounding(exact, ours, trace["v"])


def wrong_scales(name, by):
    """Yields settings with one scale that is larger by a share than a recording's."""
    scales = {"text_scale": 4.0, "image_scale": CASES[name].get("image_scale", 2.0)}
    for scale, value in scales.items():
        if value > 1:
            yield {scale: value * (1 + by)}


@pytest.mark.parametrize("name", CASES)
def test_a_model_that_is_off_by_one_percent_is_not_explained_by_rounding(name):
    trace, steps = bagel.trace(name), [0, 8]
    swapped = {"renormalisation": "global" if "channel" in name else "channel"}
    for change in (*wrong_scales(name, 0.01), swapped):
        model = bagel.model(**CASES[name] | change)
        ours = velocities(model, prepared(model, name), trace, steps)
        exact = exact_velocities(model, trace, name, steps)
        assert not explained_by_rounding(exact, ours, trace["v"][steps])


def test_a_model_that_rounds_more_than_it_has_to_is_not_explained_by_rounding():
    model, trace = bagel.model(**CASES["t2i"]), bagel.trace("t2i")
    exact = exact_velocities(model, trace, "t2i")
    ours = velocities(model, prepared(model, "t2i"), trace, range(11))
    assert explained_by_rounding(exact, ours, trace["v"])
    assert not explained_by_rounding(exact, ours.half().float(), trace["v"])


@pytest.mark.parametrize("name", CASES)
def test_in_bf16_the_recordings_show_a_scale_that_is_off_by_its_direction(name):
    """A scale that is 5 % off moves the velocity by less than bf16's roundings, but all one way.

    It moves it by ``d``. Roundings that differ between two machines point nearly anywhere in
    thousands of dimensions, so little of them lies along ``d``: the difference of recording and
    ours holds about 0 of ``d`` if our scale is right, and 1 if it is off.
    """
    model, trace = bagel.model(torch.bfloat16, **CASES[name]), bagel.trace(name, torch.bfloat16)
    steps = [0, 4, 8]
    ours = velocities(model, prepared(model, name), trace, steps)
    exact = exact_velocities(model, trace, name, steps)
    for change in wrong_scales(name, 0.05):
        off = bagel.model(torch.bfloat16, **CASES[name] | change)
        d = exact_velocities(off, trace, name, steps) - exact
        assert abs(((trace["v"][steps] - ours) * d).sum() / d.square().sum()) < 0.5


@pytest.mark.parametrize("name", CASES)
def test_without_skips_the_image_is_that_of_bagels_own_code(name):
    model = bagel.model(**CASES[name])
    (sample,) = reference_sampler(model).generate([prepared(model, name).request])
    image, theirs = np.asarray(sample.output).astype(int), bagel.trace(name)["image"]
    assert image.shape == theirs.shape
    assert abs(image - theirs.numpy().astype(int)).max() <= 1  # grey levels of 256


@pytest.mark.parametrize("options", [{"image_scale": 1.0}, bagel.EDIT], ids=["drawn", "edited"])
def test_a_batch_is_bit_for_bit_its_samples_alone(options):
    model = bagel.model(**options)
    image = bagel.reference() if options is bagel.EDIT else None
    todo = [*requests(3, 8), *(replace(r, index=r.index + 3, image=image) for r in requests(2, 8))]
    together = samples(model, todo, RandomArms(arms=(0, 1, 2)), max_batch=4)
    alone = samples(model, todo, RandomArms(arms=(0, 1, 2)), max_batch=1)
    assert len({sample.computed for sample in together}) > 1
    for a, b in zip(together, alone, strict=True):
        assert a.computed == b.computed
        assert torch.equal(a.x, b.x)


def calls_made(model, function):
    """Counts the passes through the transformer of velocities, not those of reading."""
    made = []
    with model.parts.network.llm2vae.register_forward_hook(lambda *_: made.append(1)):
        function()
    return len(made)


@pytest.mark.parametrize("options", [{"image_scale": 1.0}, {"text_scale": 1.0}, {}])
@pytest.mark.parametrize("with_image", [False, True])
def test_together_samples_of_any_lengths_are_what_they_are_alone(options, with_image):
    image = bagel.reference() if with_image else None
    todo = requests(6, image=image)
    alone = samples(bagel.model(**options), todo, max_batch=6)
    model, sizes = bagel.model(**options, together=True), []
    called = model.parts.network.velocity
    model.parts.network.velocity = lambda *a: sizes.append(len(a[1])) or called(*a)
    together = samples(model, todo, max_batch=6)
    for one, other in zip(alone, together, strict=True):
        assert (one.calls, one.computed) == (other.calls, other.computed)
        torch.testing.assert_close(one.x, other.x, rtol=1e-4, atol=1e-4)
    # six samples of three lengths: three calls of the network where six are counted
    assert 2 * len(sizes) == sum(sample.calls for sample in together)


@pytest.mark.parametrize(
    ("options", "with_image", "most"),
    [
        ({"text_scale": 1.0}, True, 1),
        ({"image_scale": 1.0}, False, 2),
        ({"image_scale": 1.0}, True, 2),
        ({"image_scale": 1.5}, False, 2),
        ({"image_scale": 1.5}, True, 3),
    ],
)
@pytest.mark.parametrize("policy", [Every(interval=1), Every(interval=3)], ids=["never", "every"])
def test_counted_calls_are_those_made(options, with_image, most, policy):
    model, done = bagel.model(**options), []
    todo = requests(2, 10, image=bagel.reference() if with_image else None)
    made = calls_made(model, lambda: done.extend(samples(model, todo, policy)))
    assert sum(sample.calls for sample in done) == made
    acts = [0.4 < t <= 1 for t in model.grid(10).sigma[:-1]]
    for sample in done:
        assert sample.calls == sum(most if acts[k] else 1 for k in sample.computed)
        assert sample.calls_full == sum(most if act else 1 for act in acts)


def test_bagels_own_fifty_grid_points_take_90_calls_where_131_give_the_same():
    model = bagel.model(image_scale=1.5, height=16, width=16)
    (request,) = requests(1, 49)
    problem = model.prepare(request)
    assert sum(problem.calls) == 90

    def run(condition):
        x, seen = problem.x, []
        for k, t in enumerate(problem.grid.model_times.split(1)):
            seen.append(model.velocity(x, t, [condition]))
            x = model.advance(x, seen[-1], problem.grid.dsigmas[k])
        return torch.cat(seen)

    plain = problem.conditioning
    wasteful = replace(plain, no_image=plain.full)
    seen = []
    assert calls_made(model, lambda: seen.append(run(plain))) == 90
    assert calls_made(model, lambda: seen.append(run(wasteful))) == 131
    assert torch.equal(*seen)


def test_the_network_is_called_at_both_sides_of_the_guidance_intervals_edge():
    model = bagel.model(image_scale=1.0)
    grid = model.grid(20)
    (edge,) = grid.jumps
    assert grid.sigma[edge] <= 0.4 < grid.sigma[edge - 1]
    (sample,) = samples(model, requests(1, 20), Every(interval=30))
    assert sample.computed == (0, edge - 1, edge, 19)


@pytest.mark.parametrize(
    ("options", "jumps"),
    [
        ({"interval": (0.0, 1.0)}, 0),
        ({"interval": (0.3, 0.8)}, 2),
        ({"text_scale": 1.0}, 0),
    ],
)
def test_there_is_a_jump_wherever_guidance_begins_or_ends(options, jumps):
    assert len(bagel.model(**options).grid(20).jumps) == jumps


def test_an_edits_contexts_share_what_was_read_once():
    condition = prepared(bagel.model(**bagel.EDIT), "edit_global").conditioning
    assert condition.full.segments[:2] == condition.no_text.segments
    assert condition.full.segments[0] is condition.no_text.segments[0]
    # latents and view of an image take a position each, and five letters of text five and two
    assert condition.no_text.position == 2
    assert len(condition.no_image.segments) == 1
    assert condition.full.position == 2 + condition.no_image.position


def test_prompt_image_seed_and_scales_matter():
    (first,) = samples(bagel.model(), requests(1, 4))
    others = [
        samples(bagel.model(text_scale=2.0), requests(1, 4)),
        samples(bagel.model(renormalisation="channel"), requests(1, 4)),
        samples(bagel.model(renorm_min=1.0), requests(1, 4)),
        samples(bagel.model(shift=1.0), requests(1, 4)),
        samples(bagel.model(), [replace(requests(1, 4)[0], prompt="a dog")]),
        samples(bagel.model(), [replace(requests(1, 4)[0], seed=9)]),
    ]
    ends = [first, *(other for (other,) in others)]
    assert len({bagel.digest(sample.x) for sample in ends}) == len(ends)


def test_an_edit_has_the_shape_of_its_image():
    image = bagel.reference().resize((40, 72))
    (sample,) = samples(bagel.model(), requests(1, 2, image=image))
    assert sample.output.size == (32, 64)
    (sample,) = samples(bagel.model(), requests(1, 2))
    assert sample.output.size == (96, 64)


@pytest.mark.parametrize("options", [{}, {"text_scale": 1.0}], ids=["guided", "plain"])
def test_it_keeps_every_rule_of_flow_models(options):
    check(bagel.model(**options), prompt="a cat")
    check(bagel.model(torch.bfloat16, **options | {"height": 16, "width": 32}))


def test_the_recipe_keeps_every_rule_of_models():
    check(Bagel())
    assert Bagel().prompts(3) == []


@DTYPES
def test_a_folder_in_the_official_layout_loads_as_it_was_saved(tmp_path, dtype):
    shutil.copytree(bagel.FOLDER, tmp_path, dirs_exist_ok=True)
    weights = bagel.parts().network.state_dict()
    save_file({name: w.clone() for name, w in weights.items()}, tmp_path / "ema.safetensors")
    recipe = bagel.recipe(path=str(tmp_path))
    model = recipe.load(dtype=str(dtype).removeprefix("torch."))
    assert {weight.dtype for weight in model.parts.network.parameters()} == {dtype}
    assert {weight.dtype for weight in model.parts.autoencoder.parameters()} == {torch.float32}
    assert {weight.device.type for weight in model.parts.network.parameters()} == {"cpu"}
    (ours,), (theirs,) = (samples(m, requests(1, 2)) for m in (model, bagel.model(dtype)))
    torch.testing.assert_close(ours.x, theirs.x, rtol=1e-5, atol=1e-5)


def test_the_key_names_what_changes_the_velocity():
    changes = [
        {},
        {"path": "other"},
        {"height": 32},
        {"text_scale": 3.0},
        {"image_scale": 1.0},
        {"interval": (0.0, 1.0)},
        {"renormalisation": "channel"},
        {"renorm_min": 0.5},
        {"image_sides": (16, 64)},
        {"revision": "main"},
    ]
    parts = bagel.parts()
    keys = [bagel.BagelFlow(parts, bagel.recipe(**{"path": "tiny"} | c)).key for c in changes]
    assert len(set(keys)) == len(keys)
    assert keys[0] == (
        "bagel(tiny, 64x96, text 4.0, image 2.0, from 0.4 to 1.0, global from 0.0, "
        "sides 32 64 28 56)"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bagel_7b_mot", Bagel(image_scale=1.0)),
        ("bagel_7b_mot_edit", Bagel(interval=(0.0, 1.0), renormalisation="text_channel")),
    ],
)
def test_presets_are_the_models_own_settings(name, expected):
    assert preset("model", name) == expected
