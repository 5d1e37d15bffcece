"""Seeded calls of `enable` with odd arguments and changed memory files."""

from __future__ import annotations

import random
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from file_changes import change_file
from tiny_pipelines.toy import ToyPipeline

import fastflow
from fastflow.acceleration import interceptors_of
from fastflow.errors import OWN_PACKAGES, is_users
from fastflow_plugins.extrapolators import Linear
from fastflow_plugins.policies.bandits.ucb import UCB
from fastflow_plugins.policies.never import Never

NUMBERS_ODD = (
    True, "", "x", "2", b"2", [], [2.0], {}, (), 1j, object(), float("nan"), float("inf"),
    -float("inf"), -1, 0, torch.nan, torch.zeros(2), Fraction(-1, 2), range(3), int, Path("x"),
)  # fmt: skip
NO_COMPONENTS = (
    "", "x", "UCB", "../ucb", "ucb\0", "a" * 5000, "\ud800", "ucb.arms", "/etc/passwd", 0, 1.5,
    True, b"ucb", [], ["ucb"], {}, {"component": "ucb"}, object(), print, UCB, type,
)  # fmt: skip
# Arguments that mean nothing, by name: every one of them has to be refused.
NO_ARGUMENTS: dict[str, tuple] = {
    "speedup": (*NUMBERS_ODD, 0.5),
    "computed_steps": (*NUMBERS_ODD, 2, 2.5, 5.0),
    "max_error": (*NUMBERS_ODD,),
    "quality": ("", "best", "High", 0, 1.5, True, [], {}, object(), b"high", ("high",)),
    "policy": (*NO_COMPONENTS, Linear(), Linear),
    "extrapolator": (*NO_COMPONENTS, None, UCB(), "ucb"),
    "corrector": (*NO_COMPONENTS, None, Linear(), "linear"),
    "memory": (
        "", "nowhere.json", ".", "/", "/dev/zero", "/dev/null", "\0", "a" * 5000, "\ud800",
        Path("nowhere.json"), Path("."), 0, 1.5, True, [], {}, {"memories": []}, b"x", object(),
        "memory.json\n", "https://example.org/memory.json",
    ),
    "frozen": (None, 0, 1, "", "true", [], {}, object(), torch.tensor(True)),
    "batch_error": ("", "max", "Mean", None, 0, True, [], {}, object(), torch.mean, ["mean"]),
    "seed": (None, True, -1, 0.0, 1.5, "0", "", [], {}, object(), float("nan"), b"0"),
}  # fmt: skip
USUAL: dict[str, tuple] = {
    "speedup": (1, 2.0, 1e9, 2**70, Fraction(5, 2)),
    "computed_steps": (3, 5, 2**70),
    "max_error": (1e-300, 0.05, 1e300, 1),
    "quality": ("near_lossless", "high", "fast"),
    "policy": ("ucb", "uniform", "ucb_paper", "plan", "teacache", UCB(), Never()),
    "extrapolator": ("linear", "fitted", Linear()),
    "corrector": ("interpolate",),
    "frozen": (True, False),
    "batch_error": ("mean", "worst"),
    "seed": (0, 1, 2**62, 2**70),
}
PIPES = (None, "", 0, [], {}, object(), torch.nn.Linear(2, 2), ToyPipeline, print, "pipe")
TARGETS = ("speedup", "computed_steps", "max_error", "quality")
Arguments = dict[str, Any]


def learned(folder: Path) -> Path:
    """Writes a memory of two calls, and returns its file."""
    path, pipe = folder / "memory.json", ToyPipeline()
    with fastflow.enable(pipe, "ucb") as enabled:
        for seed in range(2):
            pipe(seed=seed)
        enabled.memory.save(path)
    return path


def call(draw: random.Random, memory: Path, here: Path) -> tuple[Any, Arguments, bool]:
    """Returns a pipeline, arguments of `enable`, and whether they hold nonsense.

    Args:
        draw: chooses all of it.
        memory: a file of what was learned.
        here: an empty folder.
    """
    own = draw.sample(list(USUAL), draw.randint(0, 3))
    given = {name: draw.choice(USUAL[name]) for name in own if name not in TARGETS}
    if draw.random() < 0.4:
        given |= {"memory": _memory_file(draw, memory, here), "policy": "ucb"}
        return ToyPipeline(), given, False
    if draw.random() < 0.1:
        return draw.choice(PIPES), given, True
    if draw.random() < 0.3:
        two = draw.sample(TARGETS, draw.choice((1, 1, 2)))
        given |= {name: draw.choice(USUAL[name]) for name in two}
        return ToyPipeline(), given, len(two) > 1
    name = draw.choice(list(NO_ARGUMENTS))
    return ToyPipeline(), given | {name: draw.choice(NO_ARGUMENTS[name])}, True


def _memory_file(draw: random.Random, memory: Path, here: Path) -> str | Path:
    """Returns a changed copy of a memory, by any name."""
    name = draw.choice(("memory.json", "memory.json", "memory.safetensors", "memory", "a b.json"))
    path = Path(shutil.copy(memory, here / name))
    if draw.random() < 0.1:
        path.write_bytes(b"\x10\0\0\0\0\0\0\0" + b'{"a":{}}        ')
    elif path.suffix != ".safetensors" or draw.random() < 0.2:
        change_file(draw, path.rename(path.with_suffix(".json")))
        path = path.with_suffix(".json")
    return draw.choice((path, str(path)))


def tried(pipe: Any, given: Arguments, is_nonsense: bool) -> str:
    """Enables a pipeline, calls it once, disables it; returns what is wrong, empty if nothing."""
    if isinstance(pipe, ToyPipeline):
        pipe()  # a call leaves its traces in every pipeline
    before = state_of(pipe)
    wrong = []
    try:
        enabled = fastflow.enable(pipe, **given)
    except Exception as error:
        wrong += _about(error, given)
    else:
        if is_nonsense:
            wrong.append("accepted nonsense")
        wrong += _called(pipe, given)
        enabled.disable()
    if state_of(pipe) != before:
        wrong.append("the pipeline is not as it was")
    return f"{wrong}: {_shown(given)}" if wrong else ""


def _called(pipe: Any, given: Arguments) -> list[str]:
    try:
        pipe()
    except Exception as error:
        return ["in a call:", *_about(error, given)]
    return []


def _about(error: Exception, given: Arguments) -> list[str]:
    """Returns what is wrong with a refusal."""
    text = str(error)
    wrong = []
    if not is_users(error, OWN_PACKAGES):
        wrong.append(f"{type(error).__name__} by chance: {text[:200]!r}")
    names = [form for name in (*given, "pipe") for form in (f"`{name}`", f"no {name} named")]
    if not any(name in text for name in names):
        wrong.append(f"names no argument: {text[:200]!r}")
    return wrong


def state_of(pipe: Any) -> list:
    """Returns what an untouched pipeline has: its types, hooks, and own attributes."""
    parts = [pipe, *(getattr(pipe, name, None) for name in ("scheduler", "transformer"))]
    return [
        (
            type(part),
            sorted(vars(part)) if hasattr(part, "__dict__") and type(part) is not type else (),
            len(getattr(part, "_forward_hooks", ()))
            + len(getattr(part, "_forward_pre_hooks", ())),
            len(interceptors_of(part)),
        )
        for part in parts
    ]


def _shown(given: Arguments) -> str:
    return ", ".join(f"{name}={value!r:.80}" for name, value in given.items())
