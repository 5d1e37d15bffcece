"""What schedules cost on the recorded velocities, by which an oracle is the best of its scheme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastflow.comparison.rows import MethodRow
from fastflow.evaluation.measurement import SampleRow
from fastflow.evaluation.method import Bench, Learned, Method
from fastflow.planning.optimal_schedule import OptimalSchedule

EXACT = 1e-9  # relative; two sums of the same costs may differ by their rounding


def recorded_costs(
    method: Method, bench: Bench, learned: Learned, samples: Sequence[SampleRow]
) -> dict[str, Any]:
    """Returns what the computed steps of samples cost on the velocities of their reference runs.

    Args:
        method: the method that generated the samples.
        bench: the model and the reference runs with their Gram matrices.
        learned: what the method learned.
        samples: the measured samples.

    Returns:
        Empty if the method follows no scheme alone. Otherwise ``scheme``; ``steps``, the number
        of computed steps, and ``gap``, the longest run of skipped ones; ``each``, the root mean
        square over the samples of each one's own cost; if all samples computed the same steps
        also ``shared``, the cost of that schedule for all together; and of an oracle ``least``,
        which of the two it has the least of, and ``longest``, up to which gap.
    """
    scheme = method.scheme(bench, learned)
    grams = {s.index: bench.references[s.index].feedback.gram for s in samples if not s.failure}
    counts = {len(sample.computed) for sample in samples}
    if scheme is None or len(counts) != 1 or any(gram is None for gram in grams.values()):
        return {}
    grid, stacked = bench.model.grid(bench.steps), np.stack([*grams.values()])  # type: ignore
    each = OptimalSchedule(stacked, grid, scheme, each=True)
    schedules = [sample.computed for sample in samples if sample.index in grams]
    known = {steps: each.cost(steps) for steps in dict.fromkeys(schedules)}
    own = [known[steps][i] for i, steps in enumerate(schedules)]
    found: dict[str, Any] = {
        "scheme": repr(scheme),
        "steps": counts.pop(),
        "gap": max(max(_gaps(steps, bench.steps)) for steps in known),
        "each": float(np.sqrt(np.mean(np.square(own)))),
    }
    if len(known) == 1:
        alone = OptimalSchedule(stacked, grid, scheme)
        found["shared"] = float(alone.cost(schedules[0])[0])
    return found | method.optimum()


def _gaps(steps: Sequence[int], total: int) -> Iterator[int]:
    yield from (b - a - 1 for a, b in zip(steps, [*steps[1:], total], strict=True))


def beaten(rows: Sequence[MethodRow]) -> tuple[list[str], int]:
    """Returns the schedules that cost less than the oracle of their scheme, and how many it was.

    Args:
        rows: the rows of one seed; those without recorded costs are left out.

    Returns:
        A few words for each schedule that costs less, and the number of pairs compared.
    """
    found, checked = [], 0
    costed = [row for row in rows if row.recorded and not row.failure]
    for oracle in costed:
        least = oracle.recorded.get("least", "")
        for row in costed if least else ():
            if row is not oracle and _comparable(row.recorded, oracle.recorded):
                checked += 1
                cost, best = row.recorded[least], oracle.recorded[least]
                if cost < best * (1 - EXACT) - EXACT:
                    found.append(f"{row.method} ({cost:.4g}) {oracle.method} ({best:.4g})")
    return found, checked


def _comparable(row: Mapping[str, Any], oracle: Mapping[str, Any]) -> bool:
    same = all(row[name] == oracle[name] for name in ("scheme", "steps"))
    return same and oracle["least"] in row and row["gap"] <= oracle["longest"]
