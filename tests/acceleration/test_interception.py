"""Gates on single objects: what passes through them, and that they leave no trace."""

import copy
import inspect

import pytest
import torch

from fastflow.acceleration.interception import MARK, attach, detach, interceptors_of, own_class


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
    """A gate that notes what passes, and lets it pass or answers itself."""

    def __init__(self, name="", answer=None):
        self.name, self.answer, self.seen = name, answer, []

    def __call__(self, thing, name, plain, args, kwargs):
        self.seen.append((thing, name, args, kwargs))
        return plain(*args, **kwargs) if self.answer is None else self.answer


def test_a_gate_sees_the_call_and_lets_it_pass():
    door, gate = Door(), Noting()
    attach(door, gate, "open")
    assert door.open(3, slowly=True) == (3, True)
    assert gate.seen == [(door, "open", (3,), {"slowly": True})]


def test_a_gate_may_answer_itself_and_change_what_is_asked():
    door = Door()
    attach(door, Noting(answer="locked"), "open")
    assert door.open(3) == "locked"
    assert door.opened == 0
    other = Door()
    attach(other, lambda thing, name, plain, args, kwargs: plain(7, slowly=True), "open")
    assert other.open(3) == (7, True)


def test_only_the_named_methods_of_only_this_object_are_gated():
    door, other, gate = Door(), Door(), Noting(answer="locked")
    attach(door, gate, "open")
    assert door.close() == "closed"
    assert other.open(3) == (3, False)
    assert len(gate.seen) == 0


def test_the_gate_put_on_last_is_the_outermost():
    door, order = Door(), []

    def gate(name):
        def pass_on(thing, method, plain, args, kwargs):
            order.append(f"into {name}")
            answer = plain(*args, **kwargs)
            order.append(f"out of {name}")
            return answer

        return pass_on

    first, second = gate("first"), gate("second")
    attach(door, first, "open")
    attach(door, second, "open")
    assert interceptors_of(door) == (first, second)
    door.open(1)
    assert order == ["into second", "into first", "out of first", "out of second"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_taken_off_in_any_order_they_leave_no_trace(order):
    door, gates = Door(), (Noting("a"), Noting("b"))
    before = dict(vars(door))
    for gate in gates:
        attach(door, gate, "open")
    for n in order:
        detach(door, gates[n])
        gates[n].seen.clear()
        door.open(1)
        assert gates[n].seen == []
    assert type(door) is Door
    assert vars(door) == before | {"opened": 2}
    assert interceptors_of(door) == ()


def test_a_gated_object_looks_like_itself():
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


def test_an_error_passes_through_a_gate():
    door = Door()
    attach(door, Noting(), "open")
    with pytest.raises(TypeError, match="width"):
        door.open()
    detach(door, interceptors_of(door)[0])
    assert type(door) is Door


def test_gates_on_a_network_stand_before_its_hooks():
    layer, order = torch.nn.Linear(2, 2), []
    layer.register_forward_pre_hook(lambda *_: order.append("hook"))

    def gate(thing, name, plain, args, kwargs):
        order.append("gate")
        return plain(*args, **kwargs)

    x = torch.ones(1, 2)
    before = layer(x)
    order.clear()
    attach(layer, gate, "__call__")
    assert torch.equal(layer(x), before)
    assert order == ["gate", "hook"]
    assert list(layer.state_dict()) == ["weight", "bias"]
    detach(layer, gate)
    assert type(layer) is torch.nn.Linear
    assert MARK not in vars(layer)


def test_a_gate_on_a_compiled_network_stays_on_the_outside():
    inner = torch.nn.Linear(2, 2)
    layer, gate = torch.compile(inner, backend="eager"), Noting()
    attach(layer, gate, "__call__")
    layer(torch.ones(1, 2))
    assert len(gate.seen) == 1
    assert MARK not in vars(inner)
    detach(layer, gate)
    assert MARK not in vars(layer)


def test_a_copy_of_a_gated_object_has_gates_of_its_own():
    door = Door()
    attach(door, Noting(), "open")
    other = copy.copy(door)
    assert other.open(1) == (1, False)
    assert own_class(other) is Door
