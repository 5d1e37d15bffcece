"""The class that an intercepted object has meanwhile: nobody else ever gets to have it."""

import copy
import io
import pickle

import pytest
import torch
from diffusers import FluxImg2ImgPipeline, FluxTransformer2DModel
from tiny_pipelines import flux
from tiny_pipelines.toy import ToyNetwork, ToyPipeline

import fastflow
from fastflow.acceleration import attach, detach, interceptors_of, own_class
from fastflow_plugins.policies.static import Every


def pass_on(thing, name, plain, args, kwargs):
    return plain(*args, **kwargs)


@pytest.fixture
def pipe():
    return ToyPipeline()


def remade(part):
    """Other objects that somebody makes of an enabled part."""
    cls = type(part)
    yield copy.copy(part)
    yield copy.deepcopy(part)
    yield pickle.loads(pickle.dumps(part))
    yield cls.__new__(cls)
    yield part.__class__.__new__(part.__class__)
    yield object.__new__(cls)
    if isinstance(part, torch.nn.Module):
        file = io.BytesIO()
        torch.save(part, file)
        file.seek(0)
        yield torch.load(file, weights_only=False)
        yield cls()
    else:
        yield cls.from_config(part.config)
        yield part.__class__.from_config(part.config, shift=5.0)


def test_whatever_is_made_of_an_enabled_part_is_plain_or_has_no_interceptor(pipe):
    with fastflow.enable(pipe, Every(interval=3)):
        for part in (pipe.scheduler, pipe.transformer):
            for other in remade(part):
                assert own_class(other) is part.__class__
                assert not interceptors_of(other)
            *_, last = remade(part)
            assert type(last) is part.__class__


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_a_copy_of_an_enabled_pipeline_is_plain_and_can_be_pickled(make):
    pipe = flux.pipeline()
    with fastflow.enable(pipe, "never"):
        other = make(pipe)
        assert type(other) is type(flux.pipeline())
        if make is copy.deepcopy:
            assert not any(interceptors_of(part) for part in other.components.values())
            pickle.dumps(other.transformer)


def test_an_enabled_pipeline_is_not_pickled_and_says_what_to_do(pipe):
    with fastflow.enable(pipe, "never"):
        with pytest.raises(
            TypeError, match=r"cannot be pickled while fastflow is enabled.*disable"
        ):
            pickle.dumps(pipe)
        with pytest.raises(TypeError, match=r"cannot be pickled"):
            torch.save({"pipe": pipe}, io.BytesIO())
        assert pickle.loads(pickle.dumps(copy.deepcopy(pipe)))(seed=1).shape == (1, 4, 3)
    assert pickle.loads(pickle.dumps(pipe))(seed=1).shape == (1, 4, 3)


def test_a_part_made_by_the_class_of_an_enabled_part_can_be_put_in(pipe):
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, shift=5.0)
        pipe.transformer = type(pipe.transformer)()
        pipe()
        assert accelerated.stats.calls == 4
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe()
        assert accelerated.stats.calls == 4
    assert type(pipe.transformer) is ToyNetwork
    assert type(pipe.scheduler).__mro__[0] is own_class(pipe.scheduler)


def test_what_is_put_on_the_class_of_an_enabled_part_stays_there_and_nowhere_else(pipe):
    class Patched(ToyNetwork):
        pass

    seen = []

    def forward(self, *args, **kwargs):
        seen.append(1)
        return ToyNetwork.forward(self, *args, **kwargs)

    one, two = ToyPipeline(transformer=Patched()), ToyPipeline(transformer=ToyNetwork())
    with fastflow.enable(one, "never"):
        one.transformer.__class__.forward = forward
        type(one.transformer).note = "set on the class"
        one()
        assert len(seen) == 10
    one()
    assert len(seen) == 20
    assert (Patched.forward, Patched.note) == (forward, "set on the class")
    with fastflow.enable(two, "never"):
        two()
    assert len(seen) == 20
    assert not hasattr(ToyNetwork, "note")


def test_a_method_put_on_the_class_is_the_one_that_is_called(pipe):
    with fastflow.enable(pipe, "never"):
        cls = pipe.scheduler.__class__
        original, seen = cls.step, []

        def step(self, *args, **kwargs):
            seen.append(1)
            return original(self, *args, **kwargs)

        cls.step = step
        try:
            pipe()
        finally:
            cls.step = original
    assert len(seen) == 10


def test_somebody_else_may_change_the_class_of_an_enabled_part(pipe):
    """As FSDP does, which derives a class and puts it on the object."""

    class Sharded(ToyNetwork):
        pass

    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe.transformer.__class__ = Sharded
        pipe()
        assert accelerated.stats.calls == 4
    assert type(pipe.transformer) is Sharded


def test_attaching_twice_is_once(pipe):
    network, interceptor = pipe.transformer, pass_on
    attach(network, interceptor, "__call__")
    attach(network, interceptor, "__call__")
    assert interceptors_of(network) == (interceptor,)
    detach(network, interceptor)
    detach(network, interceptor)
    assert type(network) is ToyNetwork


def test_a_network_that_a_pipeline_has_under_two_names_is_counted_once():
    class Two(ToyPipeline):
        @property
        def components(self):
            return super().components | {"transformer_2": self.transformer}

        @property
        def transformer_2(self):
            return self.transformer

    pipe = Two()
    with fastflow.enable(pipe, "never") as accelerated:
        pipe()
    assert accelerated.stats.calls == 10


def test_a_registry_of_subclasses_is_not_told_of_an_enabled_part():
    told = []

    class Registered(ToyNetwork):
        def __init_subclass__(cls):
            told.append(cls)

    pipe = ToyPipeline(transformer=Registered())
    with fastflow.enable(pipe, "never"):
        pipe()
    assert told == []


def test_attributes_of_enabled_parts_are_their_own(pipe):
    parts = (pipe, pipe.scheduler, pipe.transformer)
    before = [set(vars(part)) for part in parts]
    with fastflow.enable(pipe, "never"):
        assert [set(vars(part)) for part in parts] == before


def test_a_bound_method_taken_while_enabled_works_afterwards(pipe):
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        call = pipe.__call__
        before = accelerated.stats.calls
    assert torch.equal(call(seed=2), pipe(seed=2))
    assert accelerated.stats.calls == before


def test_another_pipeline_can_be_made_of_an_enabled_one():
    pipe = flux.pipeline()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        other = FluxImg2ImgPipeline.from_pipe(pipe)
        assert other.transformer is pipe.transformer
        assert {FluxTransformer2DModel: "found"}[type(pipe.transformer)] == "found"
        assert type(pipe.transformer) in [FluxTransformer2DModel]
        assert accelerated.stats.per_call == []
