"""Caches inside the transformer: they shorten an evaluation instead of skipping a step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor, nn

from fastflow.evaluation import Bench, Learned, Method
from fastflow.sampling import FlowModel, ModelWrapper, Request, Sample, reference_sampler

Reset = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class BlockCache(Method):
    """Runs the model with a cache on its transformer.

    A network call is counted if its last block was computed. A shortened call is not counted,
    although its first blocks or its predictions take some time; only the wall time includes that.

    Attributes:
        by_step: whether the step's index alone decides what is computed. Such a cache treats a
            batch like single samples; any other gets one sample at a time.
    """

    by_step: ClassVar[bool] = False

    @abstractmethod
    def installed(
        self, bench: Bench, learned: Learned
    ) -> AbstractContextManager[Callable[[], None]]:
        """Installs the cache in a context, which yields a function that clears the cache."""

    def generate(
        self, bench: Bench, requests: Sequence[Request], learned: Learned
    ) -> Iterator[Sample]:
        meter = Meter(bench.model)
        one_size = all(request.image is None for request in requests)  # images differ in size
        size = bench.max_batch if self.by_step and one_size else 1
        with meter.counting(), self.installed(bench, learned) as reset:
            for start in range(0, len(requests), size):
                reset()
                meter.computed = []
                batch = requests[start : start + size]
                for sample in reference_sampler(meter, max_batch=size).generate(batch):
                    yield meter.corrected(sample)


class Meter(ModelWrapper):
    """Counts the evaluations in which the transformer's last block is computed."""

    def __init__(self, model: FlowModel):
        super().__init__(model)
        self.calls = 0
        self.computed: list[int] = []  # per step, the evaluations computed

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts evaluations inside the context."""

        def count(module: nn.Module, args: tuple) -> None:
            self.calls += 1

        with last_layer(self.network).register_forward_pre_hook(count):
            yield

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        before = self.calls
        v = self.model.velocity(x, t, conditioning)
        self.computed.append(self.calls - before)
        return v

    def corrected(self, sample: Sample) -> Sample:
        """Returns a sample with the calls that were computed to the last block."""
        computed = tuple(k for k, count in enumerate(self.computed) if count)
        return replace(sample, calls=sum(self.computed), computed=computed)


def last_layer(network: Any) -> nn.Module:
    """Returns a layer that runs once in an evaluation, and not in a shortened one.

    It is the query projection of the last block: caches of blocks and of attentions both skip it
    when they use the cache, however many of the first blocks they compute.
    """
    block: Any = blocks_of(network)[-1]
    return block.attn.to_q


def blocks_of(network: Any) -> list[nn.Module]:
    """Returns the blocks of a diffusers transformer in their order.

    Raises:
        ValueError: if there are none.
    """
    names = ("transformer_blocks", "single_transformer_blocks", "blocks")
    found = [block for name in names for block in getattr(network, name, ())]
    if not found:
        raise ValueError("this model has no transformer whose blocks could be left out.")
    return found
