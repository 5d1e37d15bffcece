"""What a choice of skip length sees, and what it notes for those who learn from it."""

import contextlib
from dataclasses import dataclass

import pytest
import torch
from tiny_pipelines.cases import NAMED

import fastflow
from fastflow import Bandit, Request, Sampler, greedy
from fastflow.integration import Episode, FeedbackSpec, NoCorrection, Observation, Reuse
from fastflow.integration.episode import StepContext
from fastflow.integration.loop import flow
from fastflow.policies import Reward
from fastflow.policies.reward import Fixed
from fastflow.sampling import NoProbe, Recording
from fastflow.sampling.recording import Replay
from fastflow.testing import drive, uneven
from fastflow.testing.drive import PLAIN_SCHEME, euler, field, start
from fastflow_plugins.models.mixture import Mixture, MixtureFlow
from fastflow_plugins.policies.bandits.ucb import UCB

GRID = uneven(16, 1.0)


@dataclass(frozen=True, kw_only=True)
class Looks(Bandit):
    """Notes what it sees at every choice."""

    arms: tuple[int, ...] = (0, 1, 3)
    warmup_samples: int = 0

    def features(self, context):
        signal, last = context.probe(), context.last
        number = context.state["number"] = context.state.get("number", 0) + 1
        return {
            "signal": -1.0 if signal is None else float(signal.mean()),
            "x": float(context.x.mean()),
            "step": float(context.index),
            "last": float(last.step),
            "number": float(number),
        }

    def probabilities(self, stats, context):
        assert context.features
        return [1 / len(stats.arms)] * len(stats.arms)


def test_a_choice_sees_what_its_step_led_to():
    """The arm of step k is drawn right before step k + 1: x and the probe are those of k + 1."""
    policy, seen = Looks(), {}

    def watch(step, episode):
        seen[step.k] = float(step.x.mean()), float(torch.cos(step.x + GRID.sigma[step.k]).mean())

    transcript = drive(policy, GRID, watch=watch)
    assert len(transcript.features) > 3
    for number, (k, noted) in enumerate(transcript.features.items(), start=1):
        x, signal = seen[k + 1]
        wanted = {"signal": signal, "x": x, "step": k, "last": k, "number": number}
        assert noted == pytest.approx(wanted)


def test_probabilities_see_the_probe_too():
    signals = []

    @dataclass(frozen=True, kw_only=True)
    class Asks(UCB):
        """Probes while it states probabilities."""

        def probabilities(self, stats, context):
            signals.append(context.probe())
            return greedy(stats.mean)

    policy = Asks(warmup_samples=0)
    drive(policy, GRID)
    assert signals
    assert all(signal is not None for signal in signals)


def test_observations_carry_the_features_of_the_step_they_start_from():
    transcript = drive(Looks(), GRID)
    observations = transcript.feedback.observations
    noted = [seen for seen in observations if seen.features]
    assert {seen.step for seen in noted} <= set(transcript.features)
    assert all(seen.features == transcript.features[seen.step] for seen in noted)
    assert {seen.arm for seen in noted} > {0}
    assert drive(UCB(warmup_samples=0), GRID).feedback.observations[0].features == {}


def test_in_warm_up_samples_every_observation_of_a_choice_has_them():
    transcript = drive(Looks(warmup_samples=1), GRID)
    assert transcript.computed == tuple(range(16))
    choices = [k for k in range(16) if GRID.longest_skip[k] >= 1]
    assert set(choices) <= set(transcript.features)
    assert all(seen.features for seen in transcript.feedback.observations if seen.step in choices)


def test_a_reward_sees_them():
    @dataclass(frozen=True, kw_only=True)
    class ByStep(Reward):
        """Is worth the noted step."""

        def value(self, seen, constants):
            return seen.features.get("step", -1.0)

    policy = Looks(reward=ByStep())
    memory = policy.empty(GRID)
    feedback = drive(policy, GRID, memory).feedback
    rewards = policy.rewards(memory, feedback.observations)
    counted = [(r, o.step) for r, o in zip(rewards, feedback.observations) if o.features and r]
    assert counted
    assert all(reward in (None, step) for reward, step in counted)


def test_an_episode_of_any_policy_notes_features():
    class Every(Episode):
        def __init__(self):
            super().__init__(FeedbackSpec(immediate=True))
            self.seen: list[Observation] = []

        def wants_model(self, context: StepContext) -> bool:
            if context.streak == 0:
                self.features[context.index - 1] = {"sigma": context.sigma}
            return context.streak == 2

        def observe(self, observations):
            self.seen += observations

    episode = Every()
    loop = flow(start(0), GRID, PLAIN_SCHEME, episode)
    step = next(loop)
    with contextlib.suppress(StopIteration):
        while True:
            v = field(step.x, GRID.sigma[step.k]) if step.wants_model() else None
            step = loop.send((step.x, v, euler))
    assert episode.seen
    assert all(o.features == {"sigma": GRID.sigma[o.step + 1]} for o in episode.seen)


@pytest.mark.parametrize("wrong", [0.5, ["a"], {"a": "b"}, {3: 1.0}, {"a": torch.ones(2)}])
def test_what_is_not_numbers_by_name_is_refused(wrong):
    @dataclass(frozen=True, kw_only=True)
    class Wrong(Looks):
        """Notes something else."""

        def features(self, context):
            return wrong

    with pytest.raises(
        ValueError, match="`features` of Wrong must return numbers by name"
    ) as error:
        drive(Wrong(), GRID)
    assert repr(wrong) in str(error.value)


def test_a_step_that_is_only_foreseen_has_no_probe_and_says_why():
    @dataclass(frozen=True, kw_only=True)
    class Asks(UCB):
        """Probes while it states probabilities."""

        def probabilities(self, stats, context):
            context.probe()
            return greedy(stats.mean)

    policy = Asks(computed_steps=8, warmup_samples=0)
    with pytest.raises(ValueError, match="`probe\\(\\)` has no signal at step") as error:
        drive(policy, GRID)
    assert "Leave `computed_steps` out, or do not probe where `context.is_foreseen`." in str(
        error.value
    )

    @dataclass(frozen=True, kw_only=True)
    class Cautious(UCB):
        """Probes where it can."""

        def probabilities(self, stats, context):
            assert context.is_foreseen or context.probe() is not None
            return greedy(stats.mean)

    drive(Cautious(computed_steps=8, warmup_samples=0), GRID)


def test_features_and_a_number_of_computed_steps_exclude_each_other():
    with pytest.raises(ValueError) as error:  # noqa: PT011 - compared whole below
        drive(Looks(computed_steps=8), GRID)
    assert str(error.value) == (
        "`computed_steps` cannot be kept by Looks, got 8: its choices depend on `features`, which "
        "are not known before a step is reached. Leave it out; the reward decides how much is "
        "skipped."
    )


@pytest.fixture
def probed(monkeypatch):
    """Gives the mixture a probe: the latents and their time."""

    def probe(self, x, t, conditioning):
        return x.abs() + t.reshape(-1, *[1] * (x.dim() - 1))

    monkeypatch.setattr(MixtureFlow, "probe", probe)


def sampled(model, requests, policy, max_batch=3):
    sampler = Sampler(model, policy, Reuse(), NoCorrection(), seed=3, max_batch=max_batch)
    return sorted(sampler.generate(requests), key=lambda sample: sample.request.index)


def test_the_sampler_shows_each_sample_its_own_probe_in_any_batch(probed):
    model, requests = Mixture().load(), [Request(i, "", 7 + i, 12) for i in range(4)]
    alone, together = (sampled(model, requests, Looks(), size) for size in (1, 4))
    for one, other in zip(alone, together, strict=True):
        assert one.computed == other.computed
        pairs = zip(one.feedback.observations, other.feedback.observations, strict=True)
        assert all(a.features == pytest.approx(b.features, rel=1e-4) for a, b in pairs)
        assert all(a.features["signal"] > 0 for a in one.feedback.observations if a.features)


def test_a_replay_shows_the_recorded_probe(probed):
    """Until the first skip a replay sees what was recorded."""
    model, requests = Mixture().load(), [Request(i, "", 7 + i, 12) for i in range(3)]
    recording = Recording.make(model, requests, 3)
    live = sampled(model, requests, Looks())
    played = sampled(Replay(model, recording.trajectories), requests, Looks())
    for one, other in zip(live, played, strict=True):
        first, same = one.feedback.observations[0], other.feedback.observations[0]
        assert first.features == pytest.approx(same.features, rel=1e-4)
        assert first.features["signal"] > 0


def test_a_replay_without_the_signals_says_so(probed):
    model, requests = Mixture().load(), [Request(0, "", 7, 12)]
    recording = Recording.make(model, requests, 1, keep_signals=False)
    with pytest.raises(NoProbe, match="Record with `keep_signals=True`"):
        sampled(Replay(model, recording.trajectories), requests, Looks())


def test_inside_a_pipeline_a_choice_sees_the_network_s_probe():
    case, seen = NAMED["flux"], []
    pipe = case.build(torch.float32)

    @dataclass(frozen=True, kw_only=True)
    class Keeps(Looks):
        """Keeps what it saw."""

        def learn(self, memory, feedback):
            seen.extend(o.features for o in feedback.observations if o.features)
            super().learn(memory, feedback)

    with fastflow.enable(pipe, policy=Keeps(reward=Fixed())):
        case.run(pipe, num_inference_steps=12)
    assert seen
    assert all(noted["signal"] != -1.0 for noted in seen)
