"""Interceptors of single objects: they see the calls, and leave no trace when taken off."""

import copy
import inspect

import pytest
import torch

from fastflow.acceleration.interception import attach, detach, interceptors_of, own_class


class Door:
    """Something with two methods."""

    def __init__(self):
        self.opened = 0

    def open(self, width, *, slowly=False):
        """Opens."""
        self.opened += 1
        return width, slowly

    def close(self):
        return "closed"


class Noting:
    """An interceptor that notes calls, and passes them on or answers them itself."""

    def __init__(self, name="", answer=None):
        self.name, self.answer, self.seen = name, answer, []

    def __call__(self, thing, name, plain, args, kwargs):
        self.seen.append((thing, name, args, kwargs))
        return plain(*args, **kwargs) if self.answer is None else self.answer


def test_an_interceptor_sees_the_call_and_passes_it_on():
    door, interceptor = Door(), Noting()
    attach(door, interceptor, "open")
    assert door.open(3, slowly=True) == (3, True)
    assert interceptor.seen == [(door, "open", (3,), {"slowly": True})]


def test_an_interceptor_may_answer_itself_or_change_the_arguments():
    door = Door()
    attach(door, Noting(answer="locked"), "open")
    assert door.open(3) == "locked"
    assert door.opened == 0
    other = Door()
    attach(other, lambda thing, name, plain, args, kwargs: plain(7, slowly=True), "open")
    assert other.open(3) == (7, True)


def test_only_the_named_methods_of_only_this_object_are_intercepted():
    door, other, interceptor = Door(), Door(), Noting(answer="locked")
    attach(door, interceptor, "open")
    assert door.close() == "closed"
    assert other.open(3) == (3, False)
    assert len(interceptor.seen) == 0


def test_the_interceptor_attached_last_is_called_first():
    door, order = Door(), []

    def interceptor(name):
        def pass_on(thing, method, plain, args, kwargs):
            order.append(f"into {name}")
            answer = plain(*args, **kwargs)
            order.append(f"out of {name}")
            return answer

        return pass_on

    first, second = interceptor("first"), interceptor("second")
    attach(door, first, "open")
    attach(door, second, "open")
    assert interceptors_of(door) == (first, second)
    door.open(1)
    assert order == ["into second", "into first", "out of first", "out of second"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_interceptors_taken_off_in_any_order_leave_no_trace(order):
    door, interceptors = Door(), (Noting("a"), Noting("b"))
    before = dict(vars(door))
    for interceptor in interceptors:
        attach(door, interceptor, "open")
    for n in order:
        detach(door, interceptors[n])
        interceptors[n].seen.clear()
        door.open(1)
        assert interceptors[n].seen == []
    assert type(door) is Door
    assert vars(door) == before | {"opened": 2}
    assert interceptors_of(door) == ()


def test_an_intercepted_object_looks_like_itself():
    door = Door()
    attach(door, Noting(), "open")
    cls = type(door)
    assert isinstance(door, Door)
    assert own_class(door) is Door
    assert own_class(Door()) is Door
    assert (cls.__name__, cls.__qualname__, cls.__module__) == ("Door", "Door", __name__)
    assert cls.__doc__ == Door.__doc__
    assert door.open.__doc__ == "Opens."
    assert inspect.signature(door.open) == inspect.signature(Door().open)


def test_an_error_passes_through_an_interceptor():
    door = Door()
    attach(door, Noting(), "open")
    with pytest.raises(TypeError, match="width"):
        door.open()
    detach(door, interceptors_of(door)[0])
    assert type(door) is Door


def test_interceptors_of_a_network_are_called_before_its_hooks():
    layer, order = torch.nn.Linear(2, 2), []
    layer.register_forward_pre_hook(lambda *_: order.append("hook"))

    def interceptor(thing, name, plain, args, kwargs):
        order.append("interceptor")
        return plain(*args, **kwargs)

    x = torch.ones(1, 2)
    before = layer(x)
    order.clear()
    attach(layer, interceptor, "__call__")
    assert torch.equal(layer(x), before)
    assert order == ["interceptor", "hook"]
    assert list(layer.state_dict()) == ["weight", "bias"]
    detach(layer, interceptor)
    assert type(layer) is torch.nn.Linear
    assert not interceptors_of(layer)


def test_an_interceptor_of_a_compiled_network_is_not_on_the_network_inside():
    inner = torch.nn.Linear(2, 2)
    layer, interceptor = torch.compile(inner, backend="eager"), Noting()
    attach(layer, interceptor, "__call__")
    layer(torch.ones(1, 2))
    assert len(interceptor.seen) == 1
    assert not interceptors_of(inner)
    detach(layer, interceptor)
    assert not interceptors_of(layer)


def test_a_copy_of_an_intercepted_object_has_interceptors_of_its_own():
    door = Door()
    attach(door, Noting(), "open")
    other = copy.copy(door)
    assert other.open(1) == (1, False)
    assert own_class(other) is Door
