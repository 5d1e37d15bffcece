"""Decisions recorded with version 0.1: every later version makes the same ones."""

import json
from pathlib import Path

import pytest

from fastflow import Request, Sampler
from fastflow.registry import build, read
from fastflow.runs import RunSettings

RECORDED = Path(__file__).parents[1] / "data" / "decisions" / "version_0_1.jsonl"
CASES = {
    case["case"]: case["samples"] for case in map(json.loads, RECORDED.read_text().splitlines())
}
MINI = ["steps=20"]
BANDIT = [*MINI, "policy.update_every=2"]
MORE = {
    "flux_mini ucb": BANDIT,
    "flux_mini epsilon_greedy": BANDIT,
    "flux_mini teacache_flux": MINI,
    # the plan as it was: a sum of costs, and no weights of its own
    "mixture plan": [
        "policy.weights=scheme",
        "policy.power=1.0",
        "policy.early=1.0",
        "policy.longest=6",
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_every_sample_has_its_recorded_decisions(case):
    model, policy = case.split()
    words = [f"model={model}", f"policy={policy}", *MORE.get(case, [])]
    config = read(words, "sample", RunSettings)
    parts = [build(kind, config[kind]) for kind in ("policy", "extrapolator", "corrector")]
    recipe, recorded = build("model", config["model"]), CASES[case]
    sampler = Sampler(recipe.load(), *parts, seed=3, max_batch=4)
    prompts = [prompt.text for prompt in recipe.prompts(len(recorded))] or [""]
    asked = [
        Request(i, prompts[i % len(prompts)], 100 + i, config["steps"])
        for i in range(len(recorded))
    ]
    samples = sorted(sampler.run(asked), key=lambda sample: sample.request.index)
    for sample, expected in zip(samples, recorded, strict=True):
        assert list(sample.computed) == expected["computed"]
        assert sample.calls == expected["calls"]
        propensities = {str(k): p for k, p in sample.propensities.items()}
        assert propensities == pytest.approx(expected["propensities"], abs=1e-6)
