"""Probes: the input of a network's first block, without a call of a block."""

import pytest
import torch
from tiny_pipelines import flux, hunyuan_video, wan
from tiny_pipelines.cases import NAMED

from fastflow.acceleration.probes import probe

CASES = ["flux", "flux_true_cfg", "flux_schnell", "flux_kontext", "hunyuan_video"]


def recorded(case):
    """Runs a pipeline; returns its transformer, its calls' arguments and block 0's inputs."""
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
def test_the_signal_is_the_input_of_the_first_block_bit_for_bit(name):
    transformer, calls, seen = recorded(NAMED[name])
    assert len(calls) == len(seen) > 3
    for (args, kwargs), expected in zip(calls, seen, strict=True):
        assert torch.equal(probe(transformer, args, kwargs), expected)


@pytest.mark.parametrize("name", ["flux", "hunyuan_video"])
def test_no_block_is_called_for_it_and_no_gradient_is_kept(name):
    transformer, calls, _ = recorded(NAMED[name])
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    made = []
    for block in blocks:
        block.register_forward_pre_hook(lambda *_: made.append(1))
    signal = probe(transformer, *calls[0])
    assert made == []
    assert not signal.requires_grad


def test_arguments_may_be_positional():
    transformer, calls, seen = recorded(NAMED["flux"])
    (_, kwargs), expected = calls[0], seen[0]
    rest = dict(kwargs)
    first = rest.pop("hidden_states"), rest.pop("encoder_hidden_states")
    assert torch.equal(probe(transformer, first, rest), expected)


def test_a_compiled_network_has_the_probe_of_its_own_class():
    transformer, calls, seen = recorded(NAMED["flux"])
    compiled = torch.compile(transformer, backend="eager")
    assert torch.equal(probe(compiled, *calls[0]), seen[0])


def test_the_signal_changes_with_the_latents_and_with_time():
    transformer, calls, _ = recorded(NAMED["flux"])
    args, kwargs = calls[2]
    signal = probe(transformer, args, kwargs)
    for name in ("hidden_states", "timestep"):
        other = kwargs | {name: kwargs[name] * 0.9}
        assert not torch.equal(probe(transformer, args, other), signal)


def test_a_network_without_a_probe_has_no_signal():
    pipe = wan.CASES[0].build()
    assert probe(pipe.transformer, (), {}) is None
    assert probe(torch.nn.Linear(2, 2), (torch.ones(1, 2),), {}) is None


def test_flux_and_hunyuan_video_have_a_probe():
    named = {type(flux.transformer()).__name__}
    named |= {type(hunyuan_video.transformer(guidance_embeds=True, patch_size=2)).__name__}
    from fastflow.registry.catalog import installed

    assert named <= set(installed().names("probe"))
