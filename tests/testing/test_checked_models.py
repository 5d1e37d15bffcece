"""Models that `check` has to know how to ask: a closed vocabulary, a network without caches."""

from dataclasses import replace

import pytest
import torch
from tiny_pipelines import flux
from torch import nn

from fastflow.evaluation import Bench, Learned
from fastflow.sampling import Recording
from fastflow.testing import RuleBroken, check, failures
from fastflow_plugins.methods import FirstBlockCache
from fastflow_plugins.models.flux import Flux, FluxFlow
from fastflow_plugins.models.mixture import Mixture, MixtureFlow

WORDS = ("red", "green", "circle")


class Choosy(MixtureFlow):
    """Takes prompts of three words only."""

    def __init__(self):
        super().__init__(Mixture(side=3, spread=0.5), "cpu", torch.float64)
        self.asked = set()

    def prepare(self, request):
        self.asked.add(request.prompt)
        for word in request.prompt.split():
            if word not in WORDS:
                raise ValueError(f"there is no word {word!r} in the vocabulary.")
        return super().prepare(request)


class Helpful(Choosy):
    """Says which prompts it takes."""

    example_prompts = ("red circle", "green circle")


def test_a_model_with_a_closed_vocabulary_names_prompts():
    model = Helpful()
    check(model)
    assert model.asked == {"red circle", "green circle"}


def test_prompts_are_given_to_the_check():
    model = Choosy()
    check(model, prompts=["red circle", "green"])
    assert model.asked == {"red circle", "green"}
    check(Choosy(), prompt="red", steps=5)
    assert failures(Helpful(), prompts=["green"]) == []


def test_without_prompts_the_check_says_what_to_do():
    with pytest.raises(RuleBroken) as broken:
        check(Choosy())
    assert str(broken.value).endswith(
        "ValueError: there is no word 'a' in the vocabulary. It was asked for the prompt "
        "'a sample'. If it takes only some, let its `example_prompts` name a few, or give them: "
        "check(model, prompts=[...])."
    )


class OwnTransformer(nn.Module):
    """A network of somebody's own class, which knows no caches."""

    def __init__(self, inside):
        super().__init__()
        self.inside, self.config = inside, inside.config
        self.transformer_blocks = inside.transformer_blocks

    @property
    def dtype(self):
        return self.inside.dtype

    @property
    def device(self):
        return self.inside.device

    def forward(self, **inputs):
        return self.inside(**inputs)


def own_flow(scale=1.0):
    pipe = flux.pipeline()
    pipe.transformer = OwnTransformer(pipe.transformer)
    size = {"height": 16, "width": 16, "max_sequence_length": 8}
    return FluxFlow(pipe, replace(Flux(**size), true_cfg_scale=scale))


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_network_without_a_cache_context_keeps_every_rule(scale):
    assert not hasattr(own_flow().network, "cache_context")
    check(own_flow(scale), prompt="a red cat")


def test_a_cache_of_diffusers_refuses_such_a_network_in_a_sentence():
    model = own_flow()
    bench = Bench(model, 4, Recording([], {}, None, 0))
    with pytest.raises(ValueError, match="this model's OwnTransformer takes no caches") as refused:
        FirstBlockCache().installed(bench, Learned()).__enter__()
    assert "`diffusers.models.cache_utils.CacheMixin`" in str(refused.value)
