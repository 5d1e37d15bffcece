"""A bound on the error: as few computed steps as keep it, checked by audits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastflow.integration import Episode, Feedback, FeedbackSpec, Grid, Unskipped
from fastflow.planning import EARLY, POWER, LinearPlan, Planner, audit_time, observed_grid
from fastflow.policies import (
    FEWEST_COMPUTED,
    FollowedPlan,
    Memory,
    Policy,
    Trial,
    TrialResult,
    Trials,
    checked_numbers,
)
from fastflow_plugins.policies.plans.plan import LINEAR_SCHEME

FIRST_FACTOR = 8.0  # what an error is expected to be at most, in predicted errors, before audits
FEW_AUDITS = 3  # below which the first factor holds
LATEST = 8  # how many audits count
# the fewest computed steps after an audit, in those of the audit
FALL = 0.75  # if it kept the bound
RISE = 1.25  # if it did not


@dataclass(frozen=True, kw_only=True)
class Bounded(Policy):
    """Computes as few steps as keep the error of the final latents below a bound.

    The error is the root mean square difference from the final latents of the full run, over
    their own root mean square. For every number of computed steps, a plan and its error are
    predicted from the recorded velocities. Live errors are larger, because a run that skips sees
    other positions. So the prediction is multiplied by the largest ratio but one of a live error
    to its prediction in the latest eight audits; the largest may be that of an undecided sample,
    which becomes something else under almost any plan. In an audit a sample is computed in full,
    and then by the plan from the same noise. From one audit to the next the number of computed
    steps falls by a quarter at most, and after one that exceeded the bound it rises by a quarter
    at least. Audits are calls 1, 3, 8, 15, 23 ...: up to call t there are about ``t^(2/3) / 2``.

    The bound holds in most audits and, as far as those are typical, for most other samples; it is
    no guarantee for each. Where a driver runs no audits, a fixed factor of 8 is used.

    Args:
        max_error: the largest acceptable error, as a share: 0.02 stands for 2 %.
    """

    max_error: float = 0.02

    def __post_init__(self):
        if not 0 < self.max_error < math.inf:
            raise ValueError(f"`max_error` must be above 0, got {self.max_error}.")

    def empty(self, grid: Grid) -> BoundedMemory:
        return BoundedMemory(key={"policy": "bounded", "steps": grid.steps, "grid": grid.digest})

    def begin(self, grid: Grid, memory: Memory) -> Episode:
        memory = bounded_memory(memory)
        audit = not memory.frozen and is_audit(memory.samples + 1)
        if audit or memory.gram.matrix is None:
            return Unskipped(FeedbackSpec(velocities=not memory.frozen))
        plan = self._choose(memory, memory.gram.matrix, grid).plan
        return Unskipped() if plan is None else FollowedPlan(plan, grid)

    def samples_until_update(self, memory: Memory) -> int | None:
        if memory.frozen:
            return None
        count = 1
        while not is_audit(memory.samples + count):
            count += 1
        return max(count - 1, 1)  # an audit is a batch of its own

    def are_audits(self, memory: Memory) -> bool:
        return True

    def trials(self, memory: Memory, grid: Grid, references: Sequence[Feedback]) -> Trials | None:
        memory = bounded_memory(memory)
        done = memory.audits[-1].sample if memory.audits else 0
        due = is_audit(memory.samples) and memory.samples > done
        if memory.frozen or not due or not references or not memory.gram.count:
            return None
        return self._audit(memory, grid, references)

    def remarks(self, memory: Memory, grid: Grid) -> list[str]:
        memory = bounded_memory(memory)
        if memory.gram.matrix is None:
            return []
        choice, texts = self._choose(memory, memory.gram.matrix, grid), []
        if choice.plan is None:
            texts.append(
                f"max_error {self.max_error:g} cannot be kept by skipping any of the {grid.steps} "
                "steps: every step is computed. Allow a larger error."
            )
        else:
            texts.append(
                f"max_error {self.max_error:g}: {len(choice.plan.nodes)} computed steps, error "
                f"expected up to {choice.expected:.2g}"
            )
        if memory.audits:
            last = memory.audits[-1]
            over = ", above the bound" if last.measured > self.max_error else ""
            texts.append(
                f"audit of call {last.sample}: error {last.measured:.2g} at "
                f"{last.computed_steps} computed steps{over}"
            )
        return texts

    def _audit(self, memory: BoundedMemory, grid: Grid, references: Sequence[Feedback]) -> Trials:
        """Runs the plan that the sample would have had, had it not been computed in full."""
        gram = memory.gram.matrix
        own, count = references[-1].gram, memory.gram.count
        assert gram is not None
        if own is not None and count > 1:
            scale = float(np.diag(own).mean())
            gram = (gram * count - own / scale) / (count - 1)
        choice = self._choose(memory, gram, grid)
        plan, predicted = choice.plan, choice.predicted
        if plan is None:
            plan, predicted = self._plan(Planner(gram, grid, LINEAR_SCHEME), grid.steps - 1)
        (answer,) = yield [Trial(plan, len(references) - 1)]
        memory.take(plan, predicted, answer)

    def _choose(self, memory: BoundedMemory, gram: np.ndarray, grid: Grid) -> Choice:
        """Returns the plan with the fewest computed steps whose expected error is acceptable."""
        key = self, grid.digest, gram.tobytes(), memory.factor, self._fewest(memory)
        if key not in memory.choices:
            memory.choices.clear()
            memory.choices[key] = self._search(memory, gram, grid)
        return memory.choices[key]

    def _search(self, memory: BoundedMemory, gram: np.ndarray, grid: Grid) -> Choice:
        planner, factor = Planner(gram, grid, LINEAR_SCHEME), memory.factor
        pieces, best = observed_grid(grid, gram), Choice(None, 0.0, factor)
        forced = sum(pieces.is_forced(k) for k in range(grid.steps))
        low, high = max(forced, FEWEST_COMPUTED, self._fewest(memory)), grid.steps
        while low < high:  # errors fall with the number of computed steps
            middle = (low + high) // 2
            try:
                plan, predicted = self._plan(planner, middle)
            except ValueError:  # too few for the gaps between the forced steps
                plan, predicted = None, math.inf
            if predicted * factor <= self.max_error:
                best, high = Choice(plan, predicted, factor), middle
            else:
                low = middle + 1
        return best

    def _fewest(self, memory: BoundedMemory) -> int:
        """Returns the fewest computed steps to try after the last audit."""
        if not memory.audits:
            return 0
        last = memory.audits[-1]
        return math.ceil(last.computed_steps * (FALL if last.measured <= self.max_error else RISE))

    def _plan(self, planner: Planner, computed_steps: int) -> tuple[LinearPlan, float]:
        """Returns a plan and its predicted error, in root mean square velocities times sigma."""
        plan = planner.fitted(planner.nodes(computed_steps, POWER, None, EARLY))
        residuals = planner.fit.residuals(plan)
        # rows of length 1 begin a piece; its error at the end of the piece adds to the others
        starts = [i for i, row in enumerate(plan.weights) if len(row) == 1][1:]
        ends = [*(i - 1 for i in starts), len(residuals) - 1]
        return plan, float(np.sqrt(np.sum(residuals[ends] ** 2)))


@dataclass(frozen=True)
class Choice:
    """Holds a plan with its predicted error, and the factor by which live errors are larger."""

    plan: LinearPlan | None
    predicted: float
    factor: float

    @property
    def expected(self) -> float:
        """The error to expect at most."""
        return self.predicted * self.factor


@dataclass(frozen=True)
class Audit:
    """Holds the result of one audit.

    Args:
        sample: the number of the sample, from 1.
        computed_steps: how many steps the plan computed.
        predicted: the predicted error, in root mean square velocities times sigma.
        measured: the error of the final latents, over their root mean square.
    """

    sample: int
    computed_steps: int
    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        """The measured error over the predicted one."""
        return self.measured / max(self.predicted, 1e-9)


@dataclass
class BoundedMemory(Memory):
    """Keeps the audits, beside the full runs from which plans are made.

    Attributes:
        audits: the audits, the latest last.
        choices: the last choice, by what it was made for.
    """

    audits: list[Audit] = field(default_factory=list)
    choices: dict[tuple, Choice] = field(default_factory=dict, repr=False, compare=False)

    @property
    def factor(self) -> float:
        """How many times as large as predicted an error is taken to be."""
        ratios = sorted(audit.ratio for audit in self.audits[-LATEST:])
        return ratios[-2] if len(ratios) >= FEW_AUDITS else max([FIRST_FACTOR, *ratios])

    def take(self, plan: LinearPlan, predicted: float, answer: TrialResult) -> None:
        """Adds the result of an audit."""
        measured = min(answer.error / answer.scale, 1e3) if answer.scale > 0 else 1e3
        self.audits.append(Audit(self.samples, len(plan.nodes), predicted, measured))
        self.learning_calls += answer.calls

    def merge(self, other: Memory) -> None:
        """Adds the runs and the audits of another memory."""
        samples = self.samples
        super().merge(other)
        for a in bounded_memory(other).audits:
            moved = Audit(a.sample + samples, a.computed_steps, a.predicted, a.measured)
            self.audits.append(moved)

    def to_dict(self) -> dict[str, Any]:
        audits = [[a.sample, a.computed_steps, a.predicted, a.measured] for a in self.audits]
        return super().to_dict() | {"audits": audits}

    def load_dict(self, content: dict[str, Any]) -> None:
        super().load_dict(content)
        self.audits = [_audit(a) for a in content["audits"]]

    def summary(self) -> str:
        """Returns the table of audits."""
        lines = [
            f"{self.gram.count} full runs; live errors taken to be {self.factor:.3g} times as "
            f"large as predicted; {self.learning_calls} network calls for {len(self.audits)} "
            "audits",
            "call  computed steps  predicted  measured",
        ]
        for a in self.audits:
            lines.append(
                f"{a.sample:>4}  {a.computed_steps:>14}  {a.predicted:>9.2g}  {a.measured:>8.2g}"
            )
        return "\n".join(lines)


def _audit(content: Sequence[float]) -> Audit:
    sample, computed_steps, predicted, measured = checked_numbers("audits", content, (4,), least=0)
    return Audit(int(sample), int(computed_steps), float(predicted), float(measured))


def is_audit(sample: int) -> bool:
    """Returns whether a sample, numbered from 1, is an audit."""

    number = round(sample ** (2 / 3) / 2)  # the nearest
    return sample == 1 or sample == audit_time(max(number, 1))


def bounded_memory(memory: Memory) -> BoundedMemory:
    """Returns the memory if it is one of `Bounded`; raises a ValueError otherwise."""
    if not isinstance(memory, BoundedMemory):
        raise ValueError("`memory` is not bounded's: make one with `policy.empty(grid)`.")
    return memory
