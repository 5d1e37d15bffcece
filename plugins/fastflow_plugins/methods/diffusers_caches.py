"""The caches that come with diffusers: FirstBlockCache, MagCache, TaylorSeer."""

from __future__ import annotations

import ast
import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastflow.evaluation import Bench, Knob, Learned
from fastflow.sampling import Request, reference_sampler
from fastflow_plugins.methods.block_cache import BlockCache, blocks_of


@contextlib.contextmanager
def cached(network: Any, config: Any) -> Iterator[Callable[[], None]]:
    """Enables a cache of diffusers in the context; yields a function that clears its state.

    Raises:
        ValueError: if the network has no blocks, or takes no caches.
    """
    blocks_of(network)
    if not (hasattr(network, "enable_cache") and hasattr(network, "cache_context")):
        raise ValueError(
            f"this model's {type(network).__name__} takes no caches of diffusers: its class does "
            "not derive from `diffusers.models.cache_utils.CacheMixin`."
        )
    network.enable_cache(config)
    try:
        yield lambda: network._reset_stateful_cache()
    finally:
        network.disable_cache()


@dataclass(frozen=True, kw_only=True)
class FirstBlockCache(BlockCache):
    """Skips all blocks but the first while the first one's residual changes little.

    Reference: diffusers' FirstBlockCache, after https://github.com/chengzeyi/ParaAttention.

    Args:
        threshold: the relative L1 change of the first block's residual below which the other
            blocks are skipped.
    """

    threshold: float = 0.1

    def __post_init__(self):
        if not self.threshold >= 0:
            raise ValueError(f"`threshold` must be 0 or more, got {self.threshold}.")

    @property
    def knob(self) -> Knob:
        return Knob("threshold", 0.0, 2.0)

    def installed(
        self, bench: Bench, learned: Learned
    ) -> AbstractContextManager[Callable[[], None]]:
        from diffusers import FirstBlockCacheConfig

        return cached(bench.model.network, FirstBlockCacheConfig(threshold=self.threshold))


@dataclass(frozen=True, kw_only=True)
class MagCache(BlockCache):
    """Skips the blocks while the predicted drift of their residual's magnitude is small.

    The magnitudes are measured in diffusers' calibration mode on the tuning prompts. Reference:
    https://github.com/Zehong-Ma/MagCache.

    Args:
        threshold: the accumulated drift below which the blocks are skipped.
        longest: the most steps in a row whose blocks are skipped.
        retention: the share of the steps, from the first on, that are all computed.
        prompts: how many tuning prompts the magnitudes are measured on.
    """

    by_step = True

    threshold: float = 0.06
    longest: int = 6
    retention: float = 0.1
    prompts: int = 2

    def __post_init__(self):
        for name in ("threshold", "retention"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` must be 0 or more, got {getattr(self, name)}.")
        for name in ("longest", "prompts"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")

    @property
    def knob(self) -> Knob:
        return Knob("threshold", 0.0, 5.0)

    def _config(self, bench: Bench, **options: Any) -> Any:
        from diffusers import MagCacheConfig

        return MagCacheConfig(
            threshold=self.threshold,
            max_skip_steps=self.longest,
            retention_ratio=self.retention,
            num_inference_steps=bench.steps,
            **options,
        )

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        chosen, printed, calls = list(requests[: self.prompts]), io.StringIO(), 0
        with (
            cached(bench.model.network, self._config(bench, calibrate=True)),
            contextlib.redirect_stdout(printed),  # diffusers only prints the ratios
        ):
            for request in chosen:
                (sample,) = reference_sampler(bench.model, max_batch=1).generate([request])
                calls += sample.calls
        lines = [line for line in printed.getvalue().splitlines() if line.startswith("[1.0,")]
        ratios = np.mean([ast.literal_eval(line) for line in lines], axis=0)
        return Learned(ratios.tolist(), len(chosen), calls)

    def installed(
        self, bench: Bench, learned: Learned
    ) -> AbstractContextManager[Callable[[], None]]:
        return cached(bench.model.network, self._config(bench, mag_ratios=learned.what))


@dataclass(frozen=True, kw_only=True)
class TaylorSeer(BlockCache):
    """Predicts every attention's output from its Taylor series between computed steps.

    Reference: https://arxiv.org/abs/2503.06923, in diffusers' implementation with float32 factors.

    Args:
        interval: n, where every n-th step is computed.
        order: the order of the series.
        warm_up: how many of the first steps are all computed.
    """

    by_step = True

    interval: int = 3
    order: int = 2
    warm_up: int = 3

    def __post_init__(self):
        for name in ("interval", "order", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")

    @property
    def knob(self) -> Knob:
        return Knob("interval", 1, 12, whole=True)

    def installed(
        self, bench: Bench, learned: Learned
    ) -> AbstractContextManager[Callable[[], None]]:
        import torch
        from diffusers import TaylorSeerCacheConfig

        config = TaylorSeerCacheConfig(
            cache_interval=self.interval,
            max_order=self.order,
            disable_cache_before_step=self.warm_up,
            taylor_factors_dtype=torch.float32,
        )
        return cached(bench.model.network, config)
