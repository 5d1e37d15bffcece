"""What stays of a call: memory, statistics, and whose wish it was that memory be frozen."""

import time

import pytest
import torch
from tiny_pipelines.toy import ToyPipeline

import fastflow
from fastflow_plugins.policies.bandits.ucb import UCB
from fastflow_plugins.policies.static import Every

STEPS = {"num_inference_steps": 20}


@pytest.fixture
def pipe():
    return ToyPipeline()


class OtherPipeline(ToyPipeline):
    """A pipeline of another name."""


def test_frozen_belongs_to_the_one_that_asked(pipe):
    other = ToyPipeline()
    learner = fastflow.enable(pipe)
    pipe(**STEPS), pipe(**STEPS)
    server = fastflow.enable(other, memory=learner.memory, frozen=True)
    pipe(**STEPS), other(**STEPS)
    assert (learner.memory.samples, learner.memory.frozen) == (3, False)
    assert server.stats.skipped > 0
    server.disable()
    with fastflow.enable(other, memory=learner.memory) as again:
        other(**STEPS)
    assert again.memory.samples == 4
    learner.disable()


def test_both_may_be_called_in_turn_while_one_is_frozen(pipe):
    other = ToyPipeline()
    with (
        fastflow.enable(pipe, "ucb") as learner,
        fastflow.enable(other, "ucb", memory=learner.memory, frozen=True) as server,
    ):
        other(**STEPS)
        assert "memory is frozen and holds nothing" in server.stats.warning
        for seed in range(3):
            pipe(**STEPS, seed=seed), other(**STEPS, seed=seed)
        assert learner.memory.samples == 3
        assert server.stats.skipped > 0


def test_a_frozen_memory_does_not_grow(pipe, tmp_path):
    file = tmp_path / "memory.json"
    with fastflow.enable(pipe, "ucb") as learner:
        pipe(**STEPS)
        learner.memory.save(file)
    for memory in (learner.memory, file):
        with fastflow.enable(pipe, "ucb", memory=memory, frozen=True) as server:
            before = server.memory.to_list()
            for steps in (20, 12, 15):
                pipe(num_inference_steps=steps)
            assert server.memory.to_list() == before
            assert len(before) == 1


def test_a_memory_handed_over_is_checked_like_a_file(pipe):
    with fastflow.enable(pipe) as learner:
        pipe(**STEPS)
    for other, options, differs in (
        (OtherPipeline(), {}, "model: here 'OtherPipeline()', there 'ToyPipeline()'"),
        (pipe, {"extrapolator": "reuse"}, "extrapolator: here"),
        (pipe, {"corrector": "none"}, "corrector: here"),
    ):
        with pytest.raises(ValueError, match="this memory cannot be used") as refused:
            fastflow.enable(other, memory=learner.memory, **options)
        assert differs in str(refused.value)
    with fastflow.enable(pipe, UCB(arms=(0, 1)), memory=learner.memory):
        with pytest.raises(ValueError, match=r"this memory cannot be used.*arms"):
            pipe(**STEPS)
        fastflow.enable(ToyPipeline(), memory=learner.memory).disable()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("seed", "one", "`seed` must be a whole number"),
        ("seed", -1, "`seed` must be a whole number"),
        ("seed", True, "`seed` must be a whole number"),
        ("seed", 1.5, "`seed` must be a whole number"),
        ("frozen", "yes", "`frozen` must be True or False"),
        ("memory", 3, "`memory` must be a file"),
        ("memory", {"samples": 3}, "`memory` must be a file"),
        ("batch_error", "sum", "`batch_error` must be mean or worst"),
        ("corrector", 3, "`corrector` must be a name or an instance"),
        ("extrapolator", None, "`extrapolator` must be a name or an instance"),
    ],
)
def test_arguments_are_checked_when_they_are_given(pipe, option, value, message):
    with pytest.raises(ValueError, match=message):
        fastflow.enable(pipe, **{option: value})
    assert type(pipe) is ToyPipeline


class Broken(torch.nn.Module):
    """A network whose call number ``at`` gives something that is not finite."""

    def __init__(self, network, at, value):
        super().__init__()
        self.network, self.at, self.value, self.calls = network, at, value, 0

    def forward(self, *args, **kwargs):
        self.calls += 1
        (v,) = self.network(*args, **kwargs)
        return (v * self.value if self.calls == self.at else v,)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("at", [1, 7, 20])
def test_a_call_that_is_not_finite_teaches_nothing_and_is_told(at, value):
    plain = ToyPipeline()
    pipe = ToyPipeline(transformer=Broken(plain.transformer, at, value))
    with fastflow.enable(pipe) as accelerated:
        pipe(**STEPS)
        assert accelerated.memory.samples == 0
        assert "not finite" in accelerated.stats.warning
        pipe(**STEPS)
        assert [len(run.computed) for run in accelerated.stats.per_call] == [20, 20]
        assert accelerated.memory.samples == 1
        assert accelerated.stats.trouble == ""


def test_a_largest_error_that_is_not_a_number_is_shown(pipe):
    def spoil(pipe, k, t, kwargs):
        return {"latents": kwargs["latents"] * float("nan")} if k == 10 else {}

    with fastflow.enable(pipe, Every(interval=3)) as accelerated:
        pipe(**STEPS, callback_on_step_end=spoil)
    assert "worst error nan" in str(accelerated.stats)
    assert "not finite" in str(accelerated.stats)


def interrupt(pipe, k, t, kwargs):
    pipe.interrupt = k == 6
    return {}


def fail(pipe, k, t, kwargs):
    if k == 6:
        raise KeyboardInterrupt
    return {}


@pytest.mark.parametrize("callback", [interrupt, fail])
def test_a_call_that_was_broken_off_is_not_the_first_call(pipe, callback):
    with fastflow.enable(pipe) as accelerated:
        try:
            pipe(**STEPS, callback_on_step_end=callback)
        except KeyboardInterrupt:
            assert callback is fail
        assert "taught nothing" in accelerated.stats.warning
        assert accelerated.memory.samples == 0
        pipe(**STEPS, seed=1)
        assert len(accelerated.stats.last.computed) == 20
        pipe(**STEPS, seed=2)
        assert accelerated.stats.last.skipped == 12
        pipe(**STEPS, seed=3, callback_on_step_end=interrupt)
        assert accelerated.memory.samples == 2
        pipe(**STEPS, seed=4)
        assert accelerated.stats.last.skipped == 12


def test_windows_of_a_failed_call_teach_nothing(pipe):
    count = []

    def fail_in_the_second_window(pipe, k, t, kwargs):
        count.append(1)
        if len(count) == 25:
            raise RuntimeError("no more memory")
        return {}

    with fastflow.enable(pipe) as accelerated:
        with pytest.raises(RuntimeError):
            pipe(**STEPS, windows=2, callback_on_step_end=fail_in_the_second_window)
        assert accelerated.memory.samples == 0
        pipe(**STEPS, windows=2)
        assert accelerated.stats.last.skipped == 0


def test_seconds_saved_survive_a_first_call_that_compiles(pipe):
    made = []

    def compile_at_first(*_):
        made.append(1)
        time.sleep(0.5 if len(made) == 1 else 0.005)

    pipe.transformer.register_forward_pre_hook(compile_at_first)
    with fastflow.enable(pipe, Every(interval=5)) as accelerated:
        pipe(num_inference_steps=50)
    call = accelerated.stats.last
    assert call.seconds > 0.5
    usual = call.seconds - 0.5  # of the other ten computed steps
    assert call.seconds_saved < 39 * 3 * usual / 10


def test_a_policy_that_does_not_fit_the_grid_lets_the_call_go_on_and_says_so(pipe):
    plain = pipe(num_inference_steps=10)
    with fastflow.enable(pipe, "plan") as accelerated:  # of 19 steps
        assert torch.equal(pipe(num_inference_steps=10), plain)
    assert "`computed_steps` must be from 2 to 10" in accelerated.stats.warning
