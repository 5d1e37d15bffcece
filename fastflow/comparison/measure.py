"""One row of a comparison: one method at one number of calls, measured sample by sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastflow.comparison.references import References
from fastflow.evaluation.method import Bench, Learned, Method
from fastflow.evaluation.metric import Metric
from fastflow.evaluation.profiling import peak_bytes
from fastflow.sampling.reference import reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample


@dataclass
class Measure:
    """Measures methods on the same requests, against the same baselines.

    Args:
        bench: what methods are given.
        requests: the samples to measure.
        metrics: what is measured of outputs.
        baselines: what they are compared with.
    """

    bench: Bench
    requests: Sequence[Request]
    metrics: Sequence[Metric]
    references: References

    def samples(
        self, method: Method, learned: Learned, show: Callable[[Sample], None]
    ) -> list[dict[str, Any]]:
        """Generates every request by a method; returns what was measured, in their order."""
        found = []
        for sample in method.generate(self.bench, self.requests, learned):
            found.append(self.of(sample))
            show(sample)
        return sorted(found, key=lambda row: row["index"])

    def of(self, sample: Sample) -> dict[str, Any]:
        """Measures one sample."""
        index, request = sample.request.index, self.bench.references[sample.request.index].request
        full = self.bench.references[index]
        reference = self.references.reference.get(index)
        scores: dict[str, float] = {}
        if sample.output is not None:
            for metric in self.metrics:
                scores |= metric.score(sample.output, request)
        return {
            "index": index,
            "calls": sample.calls,
            "computed": list(sample.computed),
            "fidelity": self._closeness(sample.output, full.output),
            "reference": self._closeness(sample.output, reference),
            "scores": _finite(scores),
            "rms": _distance(sample, full),
            "failure": sample.failure,
        }

    def _closeness(self, output: Any, other: Any) -> dict[str, float | None]:
        found: dict[str, float] = {}
        if output is not None and other is not None:
            for metric in self.metrics:
                found |= metric.compare(output, other)
        return _finite(found)

    def pairs(self, method: Method, learned: Learned, count: int) -> list[tuple[float, float]]:
        """Times a method beside the full run, one sample at a time, the order alternating."""
        alone = replace(self.bench, max_batch=1)
        found = []
        for i in range(count):
            request = self.requests[i % len(self.requests)]

            def full(request=request) -> float:
                (sample,) = reference_sampler(alone.model, max_batch=1).generate([request])
                return sample.seconds.denoise

            def this(request=request) -> float:
                (sample,) = method.generate(alone, [request], learned)
                return sample.seconds.denoise

            if i % 2:
                mine, plain = this(), full()
            else:
                plain, mine = full(), this()
            found.append((plain, mine))
        return found

    def peak(self, method: Method, learned: Learned, device: str) -> int:
        """Returns the peak memory of one sample alone, in bytes."""
        alone = replace(self.bench, max_batch=1)
        return peak_bytes(lambda: list(method.generate(alone, self.requests[:1], learned)), device)


IDENTICAL = 99.0  # dB; what counts for identical images, whose PSNR is infinite


def _distance(sample: Sample, full: Sample) -> float | None:
    """Returns the root mean square difference of the final latents."""
    if sample.x is None or full.x is None or sample.x.shape != full.x.shape:
        return None
    rms = float((sample.x.float() - full.x.float()).square().mean().sqrt())
    return rms if math.isfinite(rms) else None


def _finite(measured: dict[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: the PSNR of identical outputs is written as `IDENTICAL`."""
    return {
        name: value if math.isfinite(value) else (IDENTICAL if value > 0 else None)
        for name, value in measured.items()
    }
