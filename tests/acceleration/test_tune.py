"""`tune`: what it runs, what it costs, and that nothing finished is lost."""

import contextlib
import json

import pytest
import torch
from tiny_pipelines import flux
from tiny_pipelines.cases import NAMED

import fastflow
from fastflow_plugins.policies import Halving

COMMON = {
    "height": flux.HEIGHT,
    "width": flux.WIDTH,
    "num_inference_steps": 14,
    "guidance_scale": 3.5,
    "max_sequence_length": 24,
}
PROMPTS = ["a red cat", "two dogs"]


def tune(accelerated, prompts=PROMPTS, **options):
    return accelerated.tune(prompts, **{"seeds": [0, 1], **COMMON, **options})


def memory_of(accelerated):
    """Returns the memory of the grid that was used first."""
    return next(iter(accelerated.memory._used.values()))


@contextlib.contextmanager
def failing(pipe, at=None):
    """Counts network calls and pipeline calls; lets the network call number ``at`` fail."""
    made, begun = [], []

    def look(*_):
        made.append(1)
        if len(made) == at:
            raise KeyboardInterrupt

    plain = pipe.encode_prompt
    hook = pipe.transformer.register_forward_pre_hook(look)
    pipe.encode_prompt = lambda *args, **kwargs: begun.append(1) or plain(*args, **kwargs)
    try:
        yield made, begun
    finally:
        hook.remove()
        del pipe.encode_prompt


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Returns a pipeline that was tuned, what enabled it, the report, and the file."""
    pipe, file = flux.pipeline(), tmp_path_factory.mktemp("tuned") / "plan.json"
    accelerated = fastflow.enable(pipe, "halving", speedup=2.6)
    with failing(pipe) as (made, _):
        report = tune(accelerated, out=file)
    assert report.calls == len(made)
    return pipe, accelerated, report, file


def test_all_calls_are_counted_and_the_price_is_stated_before(tuned):
    _, accelerated, report, _ = tuned
    memory = memory_of(accelerated)
    assert report.references == 4
    assert report.calls == memory.learning_calls
    assert report.price == 4 + Halving(computed_steps=5, warmup_samples=4).learning_runs(
        fastflow.Grid.even(14)
    )
    assert report.calls / 2 < report.price * 14 < 2 * report.calls
    assert report.trials == sum(len(arm.errors) for arm in memory.arms)
    assert accelerated.stats.per_call == []
    assert str(report).startswith(f"4 full runs and {report.trials} trials, {report.calls} ")


def test_the_price_is_printed(pipe, capsys):
    with fastflow.enable(pipe, "halving", computed_steps=5) as accelerated:
        tune(accelerated, ["a red cat"], seeds=3)
    assert "tune: 1 full runs, and trials worth about 5.7 more" in capsys.readouterr().out


def test_every_call_then_follows_the_winner(tuned, call):
    pipe, accelerated, _, _ = tuned
    chosen = memory_of(accelerated).chosen
    call(pipe, num_inference_steps=14)
    assert accelerated.stats.last.computed == chosen.nodes == accelerated.stats.plan
    assert len(chosen.nodes) == 5
    assert accelerated.stats.remarks == []
    call(pipe, num_inference_steps=20)  # another grid, which was not tuned
    assert accelerated.stats.last.skipped == 0
    assert "Call tune(prompts, seeds=...)" in accelerated.stats.remarks[0]


def test_every_plan_that_is_tried_computes_the_steps_that_have_to_be(tuned):
    for arm in memory_of(tuned[1]).arms:
        assert len(arm.plan.nodes) == 5
        assert {0, 13} <= set(arm.plan.nodes)


def test_the_winner_is_closer_than_the_plan_that_needs_no_trials(tuned):
    arms = memory_of(tuned[1]).arms
    best = min((arm for arm in arms if len(arm.errors) == 4), key=lambda arm: arm.score())
    assert best.plan == memory_of(tuned[1]).chosen
    assert best.score() <= arms[0].score(range(2)) or len(arms[0].errors) == 4


def test_the_result_is_one_file_that_serves_frozen(tuned, call):
    _, accelerated, _, file = tuned
    pipe = flux.pipeline()
    with fastflow.enable(pipe, "halving", speedup=2.6, memory=file, frozen=True) as serving:
        first = call(pipe, num_inference_steps=14)
        assert torch.equal(call(pipe, num_inference_steps=14), first)
        assert serving.stats.last.computed == memory_of(accelerated).chosen.nodes
        with pytest.raises(ValueError, match="`tune` cannot learn into a frozen memory"):
            tune(serving)
    policy = Halving(computed_steps=5)
    with fastflow.enable(pipe, policy, memory=file, frozen=True) as serving:
        assert torch.equal(call(pipe, num_inference_steps=14), first)
    assert "runs" not in json.loads(file.read_text())["memories"][0]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("again", ["same object", "from the file"])
def test_after_an_interruption_finished_trials_are_not_run_again(tuned, tmp_path, share, again):
    _, whole, report, _ = tuned
    pipe, file = flux.pipeline(), tmp_path / "plan.json"
    accelerated = fastflow.enable(pipe, "halving", speedup=2.6)
    at = round(share * report.calls)
    with failing(pipe, at), pytest.raises(KeyboardInterrupt):
        tune(accelerated, out=file)
    finished = sum(len(arm.errors) for arm in memory_of(accelerated).arms)
    if again == "from the file":
        accelerated.disable()
        accelerated = fastflow.enable(pipe, "halving", speedup=2.6)
    with failing(pipe) as (_, begun):
        rest = tune(accelerated, out=file)
    assert rest.trials == report.trials - finished
    assert len(begun) == 4 + rest.trials
    assert memory_of(accelerated).chosen == memory_of(whole).chosen
    assert memory_of(accelerated).samples == 4


def test_trials_on_other_prompts_begin_anew(tuned, pipe):
    with fastflow.enable(pipe, "halving", speedup=2.6) as accelerated:
        with failing(pipe, 100), pytest.raises(KeyboardInterrupt):
            tune(accelerated)
        report = tune(accelerated, ["a green field", "a blue house"])
        assert report.trials >= sum(len(arm.errors) for arm in memory_of(accelerated).arms)


def test_tuning_twice_runs_one_call_and_no_trial(tuned, capsys):
    report = tune(tuned[1])
    assert (report.references, report.trials, report.calls) == (1, 0, 14)
    assert "nothing is left to do" in capsys.readouterr().out


def test_a_file_of_something_else_is_not_replaced_by_what_was_learned(tuned, tmp_path):
    other = tmp_path / "thesis.json"
    other.write_text('{"mine": 1}')
    with pytest.raises(ValueError, match=r"thesis\.json"):
        tune(tuned[1], out=other)
    assert other.read_text() == '{"mine": 1}'


def test_a_pipeline_with_guidance_and_other_arguments_is_tuned():
    pipe = flux.pipeline()
    with fastflow.enable(pipe, "halving", computed_steps=5) as accelerated:
        report = tune(accelerated, ["a red cat"], seeds=0, **flux.TRUE_CFG)
        assert report.calls % 2 == 0
        pipe(**flux.inputs(num_inference_steps=14, **flux.TRUE_CFG))
        assert accelerated.stats.calls == 10


def test_prompts_may_bring_arguments_of_their_own():
    case = NAMED["flux_img2img"]
    pipe, inputs = case.build(torch.float32), case.inputs()
    for name in ("generator", "output_type", "num_inference_steps"):
        inputs.pop(name, None)
    prompts = [{"prompt": inputs.pop("prompt"), "image": inputs.pop("image")}]
    with fastflow.enable(pipe, "halving", computed_steps=5) as accelerated:
        report = accelerated.tune(prompts, num_inference_steps=20, **inputs)
        assert report.references == 1
        assert len(memory_of(accelerated).chosen.nodes) == 5


def test_a_video_pipeline_with_two_experts_is_tuned():
    case = NAMED["wan_22"]
    pipe, inputs = case.build(torch.float32), case.inputs()
    for name in ("generator", "output_type", "num_inference_steps", "prompt"):
        inputs.pop(name, None)
    with fastflow.enable(pipe, "halving", computed_steps=7) as accelerated:
        accelerated.tune("a cat walks", num_inference_steps=12, **inputs)
        case.run(pipe, num_inference_steps=12)
        assert len(accelerated.stats.last.computed) == 7


def test_untuned_halving_skips_after_its_first_calls_and_says_what_to_do(pipe, call):
    with fastflow.enable(pipe, Halving(computed_steps=6, warmup_samples=2)) as accelerated:
        for seed in range(4):
            call(pipe, seed)
        counts = [len(run.computed) for run in accelerated.stats.per_call]
    assert counts == [12, 12, 6, 6]
    assert (
        "halving has not tried its plans: it computes every step of its first 2 calls and then "
        "follows its first candidate. Call tune(prompts, seeds=...) to try them and keep the best"
    ) in str(accelerated.stats)


def test_tuned_halving_goes_on_with_audits_if_it_is_told_to(pipe, call):
    policy = Halving(computed_steps=5, audits=True)
    with fastflow.enable(pipe, policy) as accelerated:
        tune(accelerated, ["a red cat"], seeds=0)
        trials = memory_of(accelerated).learning_calls
        for seed in range(5):
            call(pipe, seed, num_inference_steps=14)
        counts = [len(run.computed) for run in accelerated.stats.per_call]
        memory = memory_of(accelerated)
    assert (memory.audits, memory.learning_calls) == (1, trials + 2 * 5)
    assert sorted(counts) == [5, 5, 5, 5, 14]


def test_the_pipeline_is_as_before_after_tuning(pipe, call):
    plain = call(pipe)
    with fastflow.enable(pipe, "halving", computed_steps=5) as accelerated:
        tune(accelerated, ["a red cat"], seeds=0)
    assert torch.equal(call(pipe), plain)
    with pytest.raises(ValueError, match="`tune` needs an enabled pipeline"):
        tune(accelerated)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompts": []}, "`prompts` must be a text or a list of texts, got []."),
        (
            {"prompts": ["", "a cat"]},
            "each of `prompts` must be a text, or a mapping of a call's arguments, got ''.",
        ),
        ({"prompts": 3}, "`prompts` must be a text or a list of texts, got 3."),
        ({"seeds": 0.5}, "`seeds` must be a whole number or a list of them, got 0.5."),
        ({"seeds": []}, "`seeds` must be a whole number or a list of them, got []."),
        ({"hieght": 8}, "the pipeline's call takes no `hieght`. Did you mean `height`?"),
        (
            {"generator": torch.Generator()},
            "`generator` cannot be given to tune: every run has a generator of its own: give "
            "`seeds`.",
        ),
        (
            {"prompts": [{"prompt": "a cat", "latents": 3}]},
            "`latents` cannot be given to tune: the noise follows from `seeds`.",
        ),
        ({"out": "nowhere/plan.json"}, "`out` 'nowhere/plan.json' is in a folder that does not"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(pipe, options, message):
    with fastflow.enable(pipe, "halving", computed_steps=5) as accelerated:
        with failing(pipe) as (made, _), pytest.raises(ValueError, match="`") as refused:
            tune(accelerated, **options)
        assert message in str(refused.value)
        assert made == []


def test_a_policy_without_plans_to_try_is_refused(pipe):
    with (
        fastflow.enable(pipe, speedup=2.6) as accelerated,
        pytest.raises(ValueError, match="Plan has no plans to try") as refused,
    ):
        tune(accelerated)
    assert "Enable with policy='halving', and a target if you like" in str(refused.value)


def test_runs_on_different_grids_are_refused(pipe):
    sizes = [{"prompt": "a cat", "height": 16}, {"prompt": "a cat", "height": 32}]
    with (
        fastflow.enable(pipe, "halving", computed_steps=5) as accelerated,
        pytest.raises(ValueError, match="the runs do not share a time grid"),
    ):
        tune(accelerated, sizes, seeds=0)
