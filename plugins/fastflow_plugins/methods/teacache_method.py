"""TeaCache as published: its rule decides, and the residual of all blocks is reused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastflow.acceleration import attach, detach, own_class, probe
from fastflow.evaluation import Bench, Knob, Learned
from fastflow.sampling import Request
from fastflow_plugins.methods.block_cache import BlockCache, blocks_of
from fastflow_plugins.policies import Change, TeaCache


@dataclass(frozen=True, kw_only=True)
class TeaCacheMethod(BlockCache):
    """Adds the last residual of all blocks instead of computing them, by TeaCache's rule.

    With several guidance branches, the prompt's branch decides for all. Reference:
    https://arxiv.org/abs/2411.19108.

    Args:
        threshold: the accumulated change at which the blocks are computed again.
        coefficients: of the rule's polynomial, highest power first; if empty, they are fitted to
            the tuning trajectories.
    """

    exact_at_zero = True

    threshold: float = 0.4
    coefficients: tuple[float, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "coefficients", tuple(self.coefficients))
        if not self.threshold >= 0:
            raise ValueError(f"`threshold` must be 0 or more, got {self.threshold}.")
        if not all(math.isfinite(c) for c in self.coefficients):
            raise ValueError(
                f"`coefficients` must be finite numbers, got {list(self.coefficients)}."
            )

    @property
    def knob(self) -> Knob:
        return Knob("threshold", 0.0, 5.0)

    def learn(self, bench: Bench, requests: Sequence[Request]) -> Learned:
        if self.coefficients:
            return Learned(self.coefficients)
        fitted = TeaCache().calibrated(bench.tuning).coefficients
        return Learned(fitted, len(bench.tuning.requests), bench.tuning.calls)

    @contextmanager
    def installed(self, bench: Bench, learned: Learned) -> Iterator[Callable[[], None]]:
        network = bench.model.network
        bypass = Bypass(
            network,
            lambda: Change(self.threshold, learned.what),
            bench.model.calls_per_velocity,
            bench.steps,
        )
        parts = [network, *blocks_of(network)]
        for part in parts:
            attach(part, bypass, "__call__")
        try:
            yield bypass.reset
        finally:
            for part in parts:
                detach(part, bypass)


class Bypass:
    """Intercepts a transformer and its blocks: they are computed, or the last residual is added.

    Args:
        network: the transformer.
        change: returns the rule for a new sample.
        branches: how many evaluations a step takes; the first of them decides.
        steps: how many steps a sample takes; the first and the last are computed.
    """

    def __init__(self, network: Any, change: Callable[[], Change], branches: int, steps: int):
        self.network, self.blocks = network, blocks_of(network)
        self.new_change, self.branches, self.steps = change, branches, steps
        self.reset()

    def reset(self) -> None:
        """Starts a new sample."""
        self.change, self.evaluations, self.computes = self.new_change(), 0, True
        self.residuals: dict[int, Any] = {}

    def __call__(self, thing: Any, name: str, plain: Callable, args: tuple, kwargs: dict) -> Any:
        if thing is self.network:
            return self._evaluate(plain, args, kwargs)
        return self._pass_block(thing, plain, args, kwargs)

    def _evaluate(self, plain: Callable, args: tuple, kwargs: dict) -> Any:
        step, self.branch = divmod(self.evaluations, self.branches)
        self.evaluations += 1
        if self.branch == 0:
            signal = probe(self.network, args, kwargs)
            self.computes = signal is None or self.change.is_large(
                signal, forced=step in (0, self.steps - 1)
            )
        return plain(*args, **kwargs)

    def _pass_block(self, block: Any, plain: Callable, args: tuple, kwargs: dict) -> Any:
        signature = Signature(block)
        hidden = signature.hidden_states(args, kwargs)
        if not self.computes:
            if block is self.blocks[0]:
                hidden = hidden + self.residuals[self.branch]
            return signature.output(hidden, args, kwargs)
        if block is self.blocks[0]:
            self.entry = hidden
        output = plain(*args, **kwargs)
        if block is self.blocks[-1]:
            self.residuals[self.branch] = signature.hidden_of(output) - self.entry
        return output


class Signature:
    """Finds the hidden states and the text in the arguments and outputs of a diffusers block."""

    def __init__(self, block: Any):
        from diffusers.hooks._helpers import TransformerBlockRegistry

        self.layout = TransformerBlockRegistry.get(own_class(block))

    def hidden_states(self, args: tuple, kwargs: dict) -> Any:
        """Returns the hidden states among a block's arguments."""
        return self.layout._get_parameter_from_args_kwargs("hidden_states", args, kwargs)

    def hidden_of(self, output: Any) -> Any:
        """Returns the hidden states in a block's output."""
        if not isinstance(output, tuple):
            return output
        return output[self.layout.return_hidden_states_index]

    def output(self, hidden: Any, args: tuple, kwargs: dict) -> Any:
        """Returns the output of a block with these hidden states and its text unchanged."""
        position = self.layout.return_encoder_hidden_states_index
        if position is None:
            return hidden
        text = self.layout._get_parameter_from_args_kwargs("encoder_hidden_states", args, kwargs)
        return (text, hidden) if position == 0 else (hidden, text)
