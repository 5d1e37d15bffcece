"""Probes: what a network's first block would see, without a block being called."""

import pytest
import torch
from tiny_pipelines import flux, hunyuan_video, wan
from tiny_pipelines.cases import NAMED

from fastflow.acceleration.probes import probe

CASES = ["flux", "flux_true_cfg", "flux_schnell", "flux_kontext", "hunyuan_video"]


def told(case):
    """Runs a pipeline; returns its transformer, what each call was told, what block 0 saw."""
    pipe, calls, seen = case.build(), [], []
    transformer = pipe.transformer
    norm = transformer.transformer_blocks[0].norm1

    def listen(module, args, kwargs):
        calls.append((args, dict(kwargs)))

    with (
        transformer.register_forward_pre_hook(listen, with_kwargs=True),
        norm.register_forward_hook(lambda module, args, answer: seen.append(answer[0])),
    ):
        case.run(pipe)
    return transformer, calls, seen


@pytest.mark.parametrize("name", CASES)
def test_it_sees_what_the_first_block_sees_bit_for_bit(name):
    transformer, calls, seen = told(NAMED[name])
    assert len(calls) == len(seen) > 3
    for (args, kwargs), expected in zip(calls, seen, strict=True):
        assert torch.equal(probe(transformer, args, kwargs), expected)


@pytest.mark.parametrize("name", ["flux", "hunyuan_video"])
def test_no_block_is_called_for_it_and_no_gradient_kept(name):
    transformer, calls, _ = told(NAMED[name])
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    made = []
    for block in blocks:
        block.register_forward_pre_hook(lambda *_: made.append(1))
    look = probe(transformer, *calls[0])
    assert made == []
    assert not look.requires_grad


def test_it_takes_arguments_in_their_order_too():
    transformer, calls, seen = told(NAMED["flux"])
    (_, kwargs), expected = calls[0], seen[0]
    rest = dict(kwargs)
    first = rest.pop("hidden_states"), rest.pop("encoder_hidden_states")
    assert torch.equal(probe(transformer, first, rest), expected)


def test_it_looks_into_a_compiled_network():
    transformer, calls, seen = told(NAMED["flux"])
    compiled = torch.compile(transformer, backend="eager")
    assert torch.equal(probe(compiled, *calls[0]), seen[0])


def test_it_changes_with_the_latents_and_with_time():
    transformer, calls, _ = told(NAMED["flux"])
    args, kwargs = calls[2]
    look = probe(transformer, args, kwargs)
    for name in ("hidden_states", "timestep"):
        other = kwargs | {name: kwargs[name] * 0.9}
        assert not torch.equal(probe(transformer, args, other), look)


def test_a_network_without_a_probe_shows_nothing():
    pipe = wan.CASES[0].build()
    assert probe(pipe.transformer, (), {}) is None
    assert probe(torch.nn.Linear(2, 2), (torch.ones(1, 2),), {}) is None


def test_the_kinds_of_networks_with_a_probe():
    named = {type(flux.transformer()).__name__}
    named |= {type(hunyuan_video.transformer(guidance_embeds=True, patch_size=2)).__name__}
    from fastflow.registry.catalog import installed

    assert named <= set(installed().names("probe"))
