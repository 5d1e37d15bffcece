"""Writes fields.md: what `stats`, a step's context and feedback hold, from their docstrings.

Run ``make components`` after changing one of them; a test fails while the page is out of date.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from fastflow import Sample, StepContext
from fastflow.acceleration.stats import CallStats, Stats
from fastflow.integration import Feedback, FeedbackSpec, Observation
from fastflow.policies import ArmStats, BanditMemory, Memory

PAGE = Path(__file__).with_name("fields.md")
HEAD = """\
# What is seen

What a run leaves behind, what a policy is shown, and what it learns from. In code these are
attributes; in a run's files, `records.jsonl` has a line for each observation, and `memory.json`
holds a memory.

<!-- written by `make components`; do not edit -->
"""
SECTIONS = {
    "accelerated.stats": (Stats, "What `enable` returns counts all calls of its pipeline."),
    "accelerated.stats.per_call": (CallStats, "Each call has an entry."),
    "sample": (Sample, "What `Sampler.run` yields, and what metrics and observers are given."),
    "context": (
        StepContext,
        "What an episode's `wants_model` is given, and a policy's `arm_probabilities`, "
        "`probabilities` and `features`. A bandit draws the arm of a computed step right before "
        "the next step: then `index`, `sigma` and `random` are of the computed step, and `x`, "
        "`last` and `probe()` are of the moment of the choice.",
    ),
    "feedback": (Feedback, "What a policy's `learn` is given, after each trajectory."),
    "feedback.observations": (
        Observation,
        "What a landing showed. A reward's `value` is given one. A run's records add the number "
        "of the `sample`, the `reward`, and the `propensity` with which a skip that was taken was "
        "drawn.",
    ),
    "episode.feedback_spec": (FeedbackSpec, "Which feedback an episode asks for."),
    "memory": (Memory, "What a policy has learned."),
    "memory of a bandit": (BanditMemory, "In addition to what every memory has."),
    "stats of a bandit's arms": (ArmStats, "What a bandit's `probabilities` is given."),
}
ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def page() -> str:
    """Returns the page."""
    return HEAD + "\n".join(line for name in SECTIONS for line in _section(name)) + "\n"


def members(cls: type) -> dict[str, str]:
    """Returns what an object of a class holds, by name, with its description.

    Raises:
        ValueError: if a field or property is not described.
    """
    told = _entries(cls)
    own = vars(cls)
    names = [f.name for f in fields(cls)] if is_dataclass(cls) else list(told)
    if is_dataclass(cls) and is_dataclass(cls.__base__):
        inherited = {f.name for f in fields(cls.__base__)}
        names = [name for name in names if name not in inherited]
    described = {name: told.get(name, "") for name in names if not name.startswith("_")}
    for name, value in own.items():
        text = inspect.getdoc(getattr(value, "fget", None) or getattr(value, "func", None)) or ""
        if not name.startswith("_") and (isinstance(value, property) or hasattr(value, "func")):
            described[name] = text.split("\n\n")[0]
    if hasattr(cls, "probe"):
        described["probe()"] = (inspect.getdoc(cls.probe) or "").split("\n\n")[0]
    if bare := [name for name, text in described.items() if not text]:
        raise ValueError(f"{cls.__name__} does not describe {', '.join(bare)}.")
    return described


def _entries(cls: type) -> dict[str, str]:
    """Returns the entries below ``Attributes`` and ``Args`` in a class's docstring."""
    text = inspect.cleandoc(cls.__doc__ or "")
    found = re.findall(r"^(?:Attributes|Args):\n((?: {4}.*\n?|\n)+)", text, re.MULTILINE)
    return {name: _joined(entry) for part in found for name, entry in ENTRY.findall(part)}


def _joined(text: str) -> str:
    return " ".join(textwrap.dedent(text).split())


def _section(name: str) -> Iterator[str]:
    cls, purpose = SECTIONS[name]
    yield f"\n## {name}\n"
    yield f"`{cls.__name__}`. {purpose}\n"
    yield "| name | what it is |"
    yield "| --- | --- |"
    for member, text in members(cls).items():
        yield f"| `{member}` | {_cell(text)} |"


def _cell(text: str) -> str:
    text = _joined(text).replace("``", "`").replace("|", "\\|")
    return text[:1].upper() + text[1:] if text[1:2].isalpha() else text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
