"""What the suites do with a model: run it, record its inputs, compare, collect refusals."""

import pytest
import torch

from fastflow import Sampler
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.policies import Never


def samples_of(model, requests, policy=None, **options):
    """Returns the samples of requests, in their order; none is skipped without a policy."""
    sampler = Sampler(model, policy or Never(), Linear(), Interpolate(), **options)
    return sorted(sampler.generate(requests), key=lambda sample: sample.request.index)


def told(pipe, function):
    """Returns what the transformer is given in each call that a function makes."""
    given = []

    def listen(module, arguments, options):
        given.append({k: v.clone() for k, v in options.items() if torch.is_tensor(v)})

    with pipe.transformer.register_forward_pre_hook(listen, with_kwargs=True):
        function()
    return given


def assert_identical(family, pipe, recipe, requests, model=None):
    """Asserts that latents and outputs are the pipeline's own; returns the samples."""
    samples = samples_of(model or family.flow(pipe, recipe), requests, max_batch=1)
    for sample, request in zip(samples, requests, strict=True):
        assert torch.equal(sample.x[0], family.run(pipe, recipe, request, "latent"))
        family.assert_same(sample.output, family.run(pipe, recipe, request, "pil"))
    return samples


def message(function, *arguments, **options):
    """Returns the words in which something is refused."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        function(*arguments, **options)
    return str(raised.value)
