"""cache-dit's DBCache: all but the first blocks are skipped while those change little."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from fastflow.evaluation import Bench, Knob, Learned
from fastflow_plugins.methods.block_cache import BlockCache, blocks_of

PATCHED = ("forward", "_is_patched")
CALIBRATORS = {
    "none": "",
    "taylor": "TaylorSeerCalibratorConfig",
    "foca": "FoCaCalibratorConfig",
    "dmd": "DMDCalibratorConfig",
}


@dataclass(frozen=True, kw_only=True)
class DBCache(BlockCache):
    """Skips all but the first blocks while those change little, by cache-dit.

    Reference: https://github.com/vipshop/cache-dit. Needs the extra `cache-dit`.

    Args:
        threshold: the relative L1 change of the first blocks' residual below which the other
            blocks are skipped.
        first: how many of the first blocks are always computed.
        warm_up: how many of the first steps are all computed.
        calibrator: how the residual of skipped blocks is found: ``none`` reuses the last one,
            ``taylor`` predicts it by a Taylor series of order 1 (https://arxiv.org/abs/2503.06923),
            ``foca`` by FoCa's forecast (https://arxiv.org/abs/2508.16211), and ``dmd`` by dynamic
            mode decomposition of the last six.
    """

    threshold: float = 0.1
    first: int = 1
    warm_up: int = 3
    calibrator: str = "none"

    def __post_init__(self):
        if not self.threshold >= 0:
            raise ValueError(f"`threshold` must be 0 or more, got {self.threshold}.")
        for name in ("first", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {getattr(self, name)}.")
        if self.calibrator not in CALIBRATORS:
            raise ValueError(
                f"`calibrator` must be one of {', '.join(CALIBRATORS)}, got {self.calibrator!r}."
            )

    @property
    def knob(self) -> Knob:
        return Knob("threshold", 0.0, 2.0)

    def unavailable(self) -> str:
        if find_spec("cache_dit") is None:
            return "DBCache was left out: it needs cache-dit (pip install 'fastflow[cache-dit]')."
        return ""

    @contextmanager
    def installed(self, bench: Bench, learned: Learned) -> Iterator[Callable[[], None]]:
        import cache_dit

        for handler in logging.getLogger("CACHE_DIT").handlers:  # of all its loggers
            handler.setLevel(logging.ERROR)
        network = bench.model.network
        count = len(blocks_of(network))
        if self.first >= count:
            raise ValueError(
                f"`first` must be at most {count - 1} for a transformer of {count} blocks, got "
                f"{self.first}: no block would be left to skip."
            )
        config = cache_dit.DBCacheConfig(
            Fn_compute_blocks=self.first,
            Bn_compute_blocks=0,
            residual_diff_threshold=self.threshold,
            max_warmup_steps=self.warm_up,
            enable_separate_cfg=bench.model.calls_per_velocity == 2,
            num_inference_steps=bench.steps,
        )
        name = CALIBRATORS[self.calibrator]
        calibrator = getattr(cache_dit, name)() if name else None
        with unpatched_after(network):
            cache_dit.enable_cache(network, cache_config=config, calibrator_config=calibrator)
            try:
                yield lambda: cache_dit.refresh_context(network, num_inference_steps=bench.steps)
            finally:
                cache_dit.disable_cache(network)


@contextmanager
def unpatched_after(network: Any) -> Iterator[None]:
    """Removes what cache-dit leaves behind when it is disabled, so that diffusers' caches work.

    It leaves a ``forward`` of its own, and the network's parts in another order.
    """
    order = list(network._modules)
    parts = [vars(part) for part in (network, *blocks_of(network))]
    before = [{name: part[name] for name in PATCHED if name in part} for part in parts]
    try:
        yield
    finally:
        for part, own in zip(parts, before, strict=True):
            for name in PATCHED:
                part.pop(name, None)
            part.update(own)
        for name in order:
            network._modules[name] = network._modules.pop(name)
