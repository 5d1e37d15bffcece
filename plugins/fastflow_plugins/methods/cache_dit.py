"""cache-dit's DBCache: the middle blocks are left out while the first ones changed little."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from fastflow.method import Bench, Knob, Learned
from fastflow_plugins.methods.block_cache import BlockCache


@dataclass(frozen=True, kw_only=True)
class DBCache(BlockCache):
    """Leaves out all but the first blocks while those changed little, as cache-dit does.

    Reference: https://github.com/vipshop/cache-dit. Needs the extra `cache-dit`.

    Args:
        threshold: the relative L1 change of the first blocks' residual that is still little.
        first: how many of the first blocks are always computed.
        warm_up: how many of the first steps are all computed.
        taylor: whether what is left out is predicted by a Taylor series of order 1; otherwise it
            is used again.
    """

    threshold: float = 0.1
    first: int = 1
    warm_up: int = 3
    taylor: bool = False

    def __post_init__(self):
        if not self.threshold >= 0:
            raise ValueError(f"`threshold` must be 0 or more, got {self.threshold}.")
        for name in ("first", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")

    @property
    def knob(self) -> Knob:
        return Knob("threshold", 0.0, 2.0)

    def unavailable(self) -> str:
        if find_spec("cache_dit") is None:
            return "DBCache was left out: it needs cache-dit (pip install 'fastflow[cache-dit]')."
        return ""

    @contextmanager
    def installed(self, bench: Bench, learned: Learned) -> Iterator[Callable[[], None]]:
        os.environ.setdefault("CACHE_DIT_LOG_LEVEL", "error")
        import cache_dit

        network = bench.model.network
        config = cache_dit.DBCacheConfig(
            Fn_compute_blocks=self.first,
            Bn_compute_blocks=0,
            residual_diff_threshold=self.threshold,
            max_warmup_steps=self.warm_up,
            enable_separate_cfg=bench.model.calls_per_velocity == 2,
            num_inference_steps=bench.steps,
        )
        calibrator = cache_dit.TaylorSeerCalibratorConfig() if self.taylor else None
        cache_dit.enable_cache(network, cache_config=config, calibrator_config=calibrator)
        try:
            yield lambda: cache_dit.refresh_context(network, num_inference_steps=bench.steps)
        finally:
            cache_dit.disable_cache(network)
