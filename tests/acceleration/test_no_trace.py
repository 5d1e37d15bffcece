"""The class that an intercepted object has meanwhile: nobody else ever gets to have it."""

import abc
import copy
import gc
import inspect
import io
import pickle
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxTransformer2DModel,
)
from tiny_pipelines import flux
from tiny_pipelines.stranger import StrangersPipeline
from tiny_pipelines.toy import ToyNetwork, ToyPipeline
from torch._dynamo.testing import CompileCounter

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


def test_the_class_of_an_enabled_part_is_like_its_own_class(pipe):
    class Other(ToyNetwork):
        pass

    with fastflow.enable(pipe, "never"), fastflow.enable(ToyPipeline(), "never") as second:
        cls, again = type(pipe.transformer), type(second.pipe.transformer)
        assert cls == again == ToyNetwork == cls
        assert cls != Other
        assert {ToyNetwork: 1}[cls] == 1
        assert isinstance(Other(), cls)
        assert not isinstance(pipe.scheduler, cls)
        assert issubclass(Other, cls)
        assert not issubclass(torch.nn.Linear, cls)
        assert inspect.signature(type(pipe)) == inspect.signature(ToyPipeline)


def test_a_class_derived_from_that_of_an_enabled_part_is_a_plain_one(pipe):
    plain = pipe()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:

        class Derived(type(pipe.transformer)):
            def forward(self, *args):
                return super().forward(*args)

        assert Derived.__mro__[1] is ToyNetwork
        assert type(Derived()) is Derived
        pipe.transformer.__class__ = Derived
        pipe()
        assert accelerated.stats.calls == 4
    assert type(pipe.transformer) is Derived
    assert torch.equal(pipe(), plain)


def test_a_pipeline_may_compare_the_type_of_its_scheduler():
    """As Bria's does, which else calls a method that this scheduler does not have."""

    class Comparing(StrangersPipeline):
        def velocity(self, x, t):
            if type(self.scheduler) != FlowMatchEulerDiscreteScheduler:  # noqa: E721
                x = self.scheduler.scale_model_input(x, t)
            return super().velocity(x, t)

    pipe = Comparing()
    plain = pipe()
    with fastflow.enable(pipe, "never"):
        assert torch.equal(pipe(), plain)


def test_a_part_whose_class_derives_from_an_abstract_one_is_intercepted():
    class Abstract(abc.ABC):
        @abc.abstractmethod
        def loop(self, x, times): ...

    class Concrete(StrangersPipeline, Abstract):
        pass

    pipe = Concrete()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        assert isinstance(pipe, Abstract)
        pipe()
    assert accelerated.stats.calls == 5
    assert type(pipe) is Concrete


class WithSlots:
    """A pipeline that has no room for another class."""

    __slots__ = ("scheduler", "transformer")

    def __init__(self):
        toy = ToyPipeline()
        self.scheduler, self.transformer = toy.scheduler, toy.transformer

    @property
    def components(self):
        return {"scheduler": self.scheduler, "transformer": self.transformer}

    def __call__(self):
        raise NotImplementedError


def traced():
    inputs = torch.zeros(1, 4, 3), torch.tensor(1.0), torch.zeros(1, 3)
    return ToyPipeline(transformer=torch.jit.trace(ToyNetwork(), inputs))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("make", [WithSlots, traced])
def test_what_cannot_be_intercepted_is_refused_and_nothing_is_left(make):
    pipe = make()
    with pytest.raises(ValueError, match=r"cannot be accelerated: calls of a \w+ cannot be inter"):
        fastflow.enable(pipe)
    for part in (pipe, pipe.scheduler, pipe.transformer):
        assert not interceptors_of(part)
        assert type(part) is own_class(part)


def test_what_cannot_be_called_is_refused(pipe):
    class Methods:
        scheduler, transformer, components = pipe.scheduler, pipe.transformer, pipe.components

    with pytest.raises(ValueError, match="it cannot be called"):
        fastflow.enable(Methods())


def test_nothing_of_a_call_is_kept_alive_and_a_pipeline_is_freed_at_once():
    class Watched(StrangersPipeline):
        def loop(self, x, times):
            self.kept = [weakref.ref(x), weakref.ref(self.prompt)]
            return super().loop(x, times)

    pipe = Watched()
    network = weakref.ref(pipe.transformer)
    gc.collect()
    gc.disable()
    try:
        with fastflow.enable(pipe, "plan", computed_steps=5) as accelerated:
            for seed in range(3):
                pipe(seed=seed)
                pipe.prompt = None
                assert [one() for one in pipe.kept] == [None, None]
        accelerated = pipe = None
        assert network() is None
    finally:
        gc.enable()
    assert accelerated is pipe


def test_an_enabled_pipeline_that_nobody_holds_is_collected(pipe):
    one = ToyPipeline(pipe.scheduler, ToyNetwork())
    network = weakref.ref(one.transformer)
    fastflow.enable(one, Every(interval=3))
    one()
    assert interceptors_of(pipe.scheduler)
    del one
    gc.collect()
    assert network() is None
    assert not interceptors_of(pipe.scheduler)
    assert type(pipe.scheduler) is own_class(pipe.scheduler)


def test_a_compiled_network_is_compiled_once_for_all_calls():
    counter = CompileCounter()
    pipe = StrangersPipeline()
    pipe.transformer.compile(backend=counter)
    with fastflow.enable(pipe, "never"):
        for seed in range(3):
            pipe(seed=seed)
    assert counter.frame_count == 1


def test_calls_from_within_compiled_code_are_untouched_and_told():
    class Compiling(StrangersPipeline):
        def loop(self, x, times):
            network = torch.compile(self.transformer, backend="eager", fullgraph=True)
            for t in times:
                x = self.take(network(x, t, self.prompt)[0], t, x)
            return x

    pipe = Compiling()
    plain = pipe()
    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        assert torch.equal(pipe(), plain)
    assert "compiled with their caller" in accelerated.stats.warning


def test_pipelines_in_several_threads_may_share_a_network():
    network = ToyNetwork()
    pipes = [StrangersPipeline(transformer=network) for _ in range(3)]
    plain = pipes[0]()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work(pipe):
        for n in range(30):
            if n % 10:
                assert torch.equal(pipe(), plain)
            else:
                fastflow.enable(ToyPipeline(transformer=network), "never").disable()

    try:
        all_accelerated = [fastflow.enable(pipe, "never") for pipe in pipes]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, pipes))
    finally:
        sys.setswitchinterval(interval)
    for accelerated in all_accelerated:
        assert {run.calls for run in accelerated.stats.per_call} == {12}
        accelerated.disable()
    assert type(network) is ToyNetwork
    assert not interceptors_of(network)
