"""The components and parameters for which the rules are checked."""

from fastflow import installed
from fastflow.policies.reward import Drift, Paper

# parameters in addition to the defaults, by kind and name
MORE = {
    ("policy", "every"): [{"interval": 1}, {"interval": 5}],
    ("policy", "uniform"): [{"computed_steps": 5}],
    ("policy", "piecewise"): [{"computed_steps": 8, "first": 3, "last": 2}],
    ("policy", "listed"): [{"steps": (0, 2, 3, 7)}],
    ("policy", "random_arms"): [{"arms": (0, 1, 2, 3, 5)}, {"pace": 0.3}, {"pace": 1e9}],
    ("policy", "plan"): [
        {"computed_steps": 8},
        {"computed_steps": 13, "longest": 2, "warmup_samples": 3},
    ],
    ("policy", "ucb"): [
        {"warmup_samples": 0, "update_every": 1, "gamma": 2.0, "reward": Paper()},
        {"arms": (0, 1, 2, 3)},
        {"computed_steps": 9.5, "lookahead": True, "side_observations": True, "reward": Drift()},
        {"computed_steps": 8, "update_every": 1, "warmup_samples": 0},
    ],
    ("policy", "epsilon_greedy"): [
        {"warmup_samples": 0, "epsilon": 0.7, "decay": 0.1},
        {"computed_steps": 9, "lookahead": True, "arms": (0, 1, 2, 3)},
    ],
    ("policy", "thompson"): [{"computed_steps": 10, "width": 3.0}, {"lookahead": False}],
    ("policy", "path"): [
        {"computed_steps": 9, "gamma": 0.3, "side_observations": False},
        {"computed_steps": 7, "arms": (0, 1, 2, 3), "update_every": 1},
    ],
    ("policy", "released"): [{"arms": (0, 1, 3), "gamma": 0.0}],
    ("policy", "seacache"): [{"threshold": 0.0}, {"threshold": 2.0, "power": 3.0}],
    ("policy", "easycache"): [{"threshold": 0.5, "first": 1}],
    ("policy", "flowcast"): [{"threshold": 0.0}, {"threshold": 10.0}],
    ("policy", "bag"): [
        {"computed_steps": 7},
        {"computed_steps": 9, "gate": tuple(i % 3 - 0.5 for i in range(40))},
    ],
    ("policy", "growing_gaps"): [{"growth": 0.0, "gap": 1.0, "first": 1}],
    ("policy", "step_mask"): [{"computed_steps": 6}],
    ("extrapolator", "spectrum"): [{"order": 1, "share": 1.0}, {"share": 0.0, "history": 3}],
    ("extrapolator", "nudge"): [{"rate": 0.4}, {"rate": 0.0}],
    ("corrector", "interpolate"): [{"order": 2}, {"order": 3}],
    ("reward", "paper"): [{"scale": 3.0, "loss": "relative_l1"}],
}

# the arguments of `load`, by model; models that are missing here are only checked by the rules
# that need no weights
LOADS = {
    "mixture": [{"dtype": "float64"}, {"dtype": "float32"}],
}


def components():
    """Yields (label, component) for every installed component and every example of it."""
    for entry in installed().entries:
        for i, parameters in enumerate([{}, *MORE.get((entry.kind, entry.name), [])]):
            label = f"{entry.kind}-{entry.name}" + (f"-{i}" if i else "")
            yield label, entry.component(**parameters)


def loads():
    """Yields (label, model, arguments of load) for every model that can be loaded here."""
    for name in installed().names("model"):
        for arguments in LOADS.get(name, []):
            label = "-".join([name, *arguments.values()])
            yield label, installed().get("model", name)(), arguments
