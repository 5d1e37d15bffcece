"""What the methods are tested on: tiny FLUX models, their requests, their reference runs."""

import functools
from contextlib import contextmanager
from typing import NamedTuple

import torch
from tiny_pipelines import flux

from fastflow import Request, Sample
from fastflow.evaluation.method import Bench
from fastflow.sampling.model import FlowModel
from fastflow.sampling.recording import Recording
from fastflow.sampling.reference import reference_sampler
from fastflow_plugins.methods.block_cache import blocks_of
from fastflow_plugins.models.flux import Flux, FluxFlow

STEPS = 10


def tiny(true_cfg_scale=1.0):
    """Returns a FLUX model of random weights; with true guidance it takes two calls a step."""
    recipe = Flux(
        path="tiny",
        height=flux.HEIGHT,
        width=flux.WIDTH,
        max_sequence_length=24,
        true_cfg_scale=true_cfg_scale,
        negative_prompt="ugly",
    )
    return FluxFlow(flux.pipeline(), recipe)


def requests(count=2, steps=STEPS, first=0):
    """Returns requests that differ in prompt and noise."""
    words = ["a red cat", "two dogs, left of a tree", "blue"]
    return [Request(i, words[i % 3], 3 + i, steps) for i in range(first, first + count)]


class Stand(NamedTuple):
    """A model, a bench with it, the requests that are measured, and their reference runs."""

    model: FlowModel
    bench: Bench
    asked: list[Request]
    whole: list[Sample]


@functools.cache
def stand(true_cfg_scale=1.0):
    """Returns what most tests share: nothing that is done with it leaves a trace."""
    model, asked = tiny(true_cfg_scale), requests(2)
    return Stand(model, bench(model), asked, in_full_alone(model, asked))


def bench(model, steps=STEPS, tuning=2):
    """Returns a bench with its tuning trajectories."""
    recorded = Recording.make(model, requests(tuning, steps, first=100), max_batch=1)
    return Bench(model, steps, recorded, max_batch=1)


def in_full_alone(model, asked):
    """Returns the reference runs of requests, one at a time."""
    return ordered(reference_sampler(model, max_batch=1).generate(asked))


def ordered(samples):
    return sorted(samples, key=lambda sample: sample.request.index)


def generated(method, bench, asked, learned=None):
    """Lets a method learn from other prompts, unless that is given, and generate."""
    if learned is None:
        learned = method.learn(bench, bench.tuning.requests)
    return ordered(method.generate(bench, asked, learned))


def error(samples, full):
    """Returns the root mean square of the distances between samples and their reference runs."""
    squares = [(s.x - f.x).double().square().mean() for s, f in zip(samples, full, strict=True)]
    return float(torch.stack(squares).mean().sqrt())


@contextmanager
def evaluations(model, block=-2):
    """Lists the evaluations of a block that are made inside."""
    made = []
    layer = blocks_of(model.network)[block].attn.to_v
    with layer.register_forward_pre_hook(lambda *_: made.append(block)):
        yield made


def assert_same(samples, full):
    """Asserts that samples equal the reference runs bit for bit."""
    for sample, whole in zip(samples, full, strict=True):
        assert torch.equal(sample.x, whole.x)
        assert sample.calls == whole.calls
        assert sample.computed == whole.computed
