"""The measurement of a sample, and the row that holds it.

A run writes one `SampleRow` per line of samples.jsonl, and a comparison keeps the same rows for
every method. The keys of these rows are defined here only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

from fastflow.evaluation.metric import Metric
from fastflow.integration.feedback import Feedback
from fastflow.integration.gram import from_lists, to_lists
from fastflow.sampling.foreign import Count, RunFile, StepNumber, check_schema
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample, Seconds

Metrics = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """Holds the measurements of one sample.

    Args:
        index: the sample's number.
        prompt: the prompt's text.
        task: the kind of prompt.
        seed: seeds the sample's noise.
        calls: network calls (number of function evaluations, every guidance branch counted).
        calls_full: network calls of the reference run, which computes every step.
        computed: the steps at which the model was called, in increasing order.
        seconds: wall time.
        seconds_full: wall time of the reference run; None if there is none.
        metrics: scores, and comparisons with the reference run's output; PSNR is infinite if the
            two are identical.
        metrics_full: the scores of the reference run; None if there is none.
        converged: comparisons with the output of a run of many more steps, if there is one.
        rms: the root mean square difference from the reference run's final latents.
        image_source: the file of the image to edit, relative to the run directory.
        image: the file of the output.
        image_full: the file of the reference run's output.
        failure: why there is no output, or an empty string.
        velocity_change: the relative L1 change of the velocity from each step of the reference
            run to the next, if that was measured.
        item: the benchmark's own data about the prompt.
        repeat: how many samples of the same prompt come before it.
        gram: ``(T, T)`` mean products of the sample's velocities, if the policy asked for them.
        observed: how many lines of records.jsonl are the sample's; None if that was not noted.
    """

    index: Count
    calls: Count
    computed: tuple[StepNumber, ...]
    prompt: str = ""
    task: str = ""
    seed: int | None = None
    calls_full: Count = 0
    seconds: Seconds = Seconds()
    seconds_full: Seconds | None = None
    metrics: Metrics = field(default_factory=dict)
    metrics_full: Metrics | None = None
    converged: Metrics = field(default_factory=dict)
    rms: float | None = None
    image_source: RunFile | None = None
    image: RunFile | None = None
    image_full: RunFile | None = None
    failure: str = ""
    velocity_change: tuple[float, ...] | None = None
    item: Mapping[str, Any] = field(default_factory=dict)
    repeat: Count = 0
    gram: list[list[float | None]] | None = field(default=None, repr=False)
    observed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the row in JSON types, with infinite metrics as None."""
        content = asdict(self)
        for name in ("metrics", "metrics_full", "converged"):
            content[name] = _to_json(content[name])
        rare = RARE if self.item else (*RARE, "repeat")
        return {name: value for name, value in content.items() if name not in rare or value}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], where: str) -> SampleRow:
        """Returns the row that `to_json` converted; missing fields take their defaults.

        Raises:
            ValueError: beginning with ``where``, if a field without a default is missing, a value
                is not of its field's type, or a file is not inside the directory.
        """
        failed = {"calls": 0, "computed": []} if content.get("failure") else {}
        values = failed | {n: v for n, v in content.items() if n in KEYS and v is not None}
        for name in REQUIRED:
            if name not in values:
                raise ValueError(f"{where} has no `{name}`: it was written by something else.")
        values.setdefault("calls_full", values["calls"])
        for name in ("metrics", "metrics_full", "converged"):
            if name in values:
                values[name] = _filled(values[name], math.inf)
        for name in ("seconds", "seconds_full"):
            if name in values:
                values[name] = _filled(values[name], 0.0)
        check_schema(cls, values, where)
        for name in ("seconds", "seconds_full"):
            if name in values:
                known = {f.name for f in fields(Seconds)}
                parts = {part: v for part, v in values[name].items() if part in known}
                values[name] = Seconds(**parts)
        for name in ("computed", "velocity_change"):
            if name in values:
                values[name] = tuple(values[name])
        if any(b <= a for a, b in pairwise(values["computed"])):
            raise ValueError(f"{where} `computed` must increase, got {list(values['computed'])}.")
        return cls(**values)

    def metrics_of(self, side: str) -> Metrics:
        """Returns the metrics of the ``skipped`` output, or of the reference run's (``full``)."""
        return (self.metrics if side == "skipped" else self.metrics_full) or {}

    def image_of(self, side: str) -> str | None:
        """Returns the file of the ``skipped`` output, or of the reference run's (``full``)."""
        return self.image if side == "skipped" else self.image_full

    def with_metrics(self, side: str, metrics: Metrics) -> SampleRow:
        """Returns the row with other metrics of the ``skipped`` or the ``full`` output."""
        if side == "skipped":
            return replace(self, metrics=metrics)
        return replace(self, metrics_full=metrics)

    @property
    def arms(self) -> list[int]:
        """The number of steps skipped after each computed step but the last."""
        return [b - a - 1 for a, b in zip(self.computed, self.computed[1:])]

    @property
    def feedback_gram(self) -> Any:
        """``(T, T)`` mean products of the velocities as an array, or None."""
        return None if self.gram is None else from_lists(self.gram)


SIDES = ("skipped", "full")  # the outputs of a sample: with skipping, and the reference run's
KEYS = {f.name for f in fields(SampleRow)}
REQUIRED = [
    f.name for f in fields(SampleRow) if f.default is MISSING and f.default_factory is MISSING
]
RARE = ("converged", "item", "gram", "observed")  # left out of the JSON if empty


@dataclass
class Measurement:
    """Measures samples against their reference runs, each of which is scored once.

    Args:
        metrics: the metrics of outputs.
    """

    metrics: Sequence[Metric]
    _scored: dict[int, Metrics] = field(default_factory=dict, repr=False)

    def row(self, sample: Sample, reference: Sample | None, converged: Any = None) -> SampleRow:
        """Returns the row of one sample.

        Args:
            sample: the sample.
            reference: the reference run of the same request, if there is one.
            converged: the output of the same request in many more steps, if there is one.
        """
        request = sample.request if reference is None else reference.request
        metrics = self._scores(sample, request)
        if reference is not None:
            metrics |= self.distances(sample.output, reference.output)
        return SampleRow(
            index=request.index,
            prompt=request.prompt,
            task=request.task,
            seed=request.seed,
            calls=sample.calls,
            calls_full=sample.calls_full if reference is None else reference.calls,
            computed=sample.computed,
            seconds=sample.seconds,
            seconds_full=None if reference is None else reference.seconds,
            metrics=metrics,
            metrics_full=None if reference is None else self._reference_scores(reference),
            converged=self.distances(sample.output, converged),
            rms=None if reference is None else _rms(sample, reference),
            failure=sample.failure,
            velocity_change=None if reference is None else velocity_change(reference.feedback),
            item=dict(request.item),
            repeat=request.repeat,
            gram=None if sample.feedback.gram is None else to_lists(sample.feedback.gram),
        )

    def distances(self, output: Any, other: Any) -> Metrics:
        """Returns the metrics that compare two outputs; none if one is missing."""
        metrics: Metrics = {}
        if output is not None and other is not None:
            for metric in self.metrics:
                metrics |= metric.compare(output, other)
        return metrics

    def _scores(self, sample: Sample, request: Request) -> Metrics:
        scores: Metrics = {}
        if sample.output is not None:
            for metric in self.metrics:
                scores |= metric.score(sample.output, request)
        return scores

    def _reference_scores(self, reference: Sample) -> Metrics:
        index = reference.request.index
        if index not in self._scored:
            self._scored[index] = self._scores(reference, reference.request)
        return self._scored[index]


def velocity_change(feedback: Feedback) -> tuple[float, ...] | None:
    """Returns the relative L1 changes of consecutive velocities, or None if not measured."""
    return tuple(seen.error for seen in feedback.observations) or None


def _rms(sample: Sample, reference: Sample) -> float | None:
    """Returns the root mean square difference of the final latents, or None if undefined."""
    x, y = sample.x, reference.x
    if x is None or y is None or x.shape != y.shape:
        return None
    rms = float((x.float() - y.float()).square().mean().sqrt())
    return rms if math.isfinite(rms) else None


def _to_json(metrics: Metrics | None) -> dict[str, float | None] | None:
    """Returns infinite values (the PSNR of identical outputs) as None, and leaves out NaN."""
    if metrics is None:
        return None
    return {
        name: value if math.isfinite(value) else None
        for name, value in metrics.items()
        if value == value and value != -math.inf
    }


def _filled(numbers: Any, missing: float) -> Any:
    """Returns stored numbers with a number for those that are None."""
    if not isinstance(numbers, Mapping):
        return numbers
    return {name: missing if value is None else value for name, value in numbers.items()}
