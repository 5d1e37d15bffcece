"""Measures methods: their samples, denoising times and peak memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from fastflow.comparison.references import References
from fastflow.evaluation.measurement import Measurement, SampleRow
from fastflow.evaluation.method import Bench, Learned, Method
from fastflow.evaluation.profiling import peak_bytes
from fastflow.sampling.reference import reference_sampler
from fastflow.sampling.request import Request
from fastflow.sampling.sample import Sample


@dataclass
class Measure:
    """Measures methods on the same requests, against the same references.

    Args:
        bench: the model and the recordings that methods use.
        requests: the samples to measure.
        measurement: the metrics to measure.
        references: the runs to compare with.
    """

    bench: Bench
    requests: Sequence[Request]
    measurement: Measurement
    references: References

    def samples(
        self,
        method: Method,
        learned: Learned,
        show: Callable[[Sample], None],
        requests: Sequence[Request],
    ) -> list[SampleRow]:
        """Generates requests with a method; returns their rows in the order of indices."""
        rows = []
        for sample in method.generate(self.bench, requests, learned):
            rows.append(replace(self.row(sample), velocity_change=None, gram=None))
            show(sample)
        return sorted(rows, key=lambda row: row.index)

    def steps(self, samples: Sequence[SampleRow]) -> float:
        """Returns the mean number of computed steps: network calls over those of one step."""
        reference = self.references.reference[self.requests[0].index]
        branches = reference.calls / self.bench.steps
        return fmean(sample.calls for sample in samples) / branches

    def row(self, sample: Sample) -> SampleRow:
        """Measures one sample."""
        index = sample.request.index
        reference, converged = self.references.reference[index], self.references.converged
        return self.measurement.row(sample, reference, converged.get(index))

    def kept_row(self, sample: Sample) -> SampleRow:
        """Measures one sample; returns what is kept of it."""
        return replace(self.row(sample), gram=None)

    def pairs(self, method: Method, learned: Learned, count: int) -> list[tuple[float, float]]:
        """Times reference runs and a method in alternating order, one sample at a time.

        Returns:
            Pairs of denoising times in seconds, ``(reference, method)``.
        """
        alone = replace(self.bench, max_batch=1)
        pairs = []
        for i in range(count):
            request = self.requests[i % len(self.requests)]

            def reference(request: Request = request) -> float:
                (sample,) = reference_sampler(alone.model, max_batch=1).generate([request])
                return sample.seconds.denoise

            def own(request: Request = request) -> float:
                (sample,) = method.generate(alone, [request], learned)
                return sample.seconds.denoise

            if i % 2:
                own_time, reference_time = own(), reference()
            else:
                reference_time, own_time = reference(), own()
            pairs.append((reference_time, own_time))
        return pairs

    def peak(self, method: Method, learned: Learned, device: str) -> int:
        """Returns the peak memory of generating a single sample, in bytes."""
        alone = replace(self.bench, max_batch=1)
        return peak_bytes(lambda: list(method.generate(alone, self.requests[:1], learned)), device)
