"""The identity matrix: measures what `enable` does to each tiny pipeline."""

import contextlib
from dataclasses import dataclass

import torch

import fastflow
from fastflow.acceleration.pipeline_parts import COUNTED
from fastflow_plugins.policies.static import Every


@dataclass(frozen=True)
class Row:
    """What was measured on one pipeline.

    Attributes:
        pipeline: its class.
        scheduler: the class of its scheduler.
        enabled: whether the output without skipping was bit for bit the untouched pipeline's.
        disabled: whether the output after `disable` was bit for bit the untouched pipeline's.
        plain: the network calls of the untouched pipeline.
        never: the network calls without skipping, as counted by the statistics.
        made: the network calls with every third step computed.
        counted: the same, as counted by the statistics.
        skipped: the network calls answered without the network, as counted by the statistics.
        computed: the steps computed then.
    """

    pipeline: str
    scheduler: str
    enabled: bool
    disabled: bool
    plain: int
    never: int
    made: int
    counted: int
    skipped: int
    computed: tuple[int, ...]


def measure(case, dtype=torch.float32) -> Row:
    """Calls a pipeline untouched, never skipping, skipping, and untouched again."""
    pipe = case.build(dtype)
    with counting(pipe) as plain:
        before = case.run(pipe)
    with fastflow.enable(pipe, "never") as accelerated:
        same = case.run(pipe)
        never = accelerated.stats
    with fastflow.enable(pipe, Every(interval=3)) as accelerated, counting(pipe) as made:
        skipped = case.run(pipe)
        stats = accelerated.stats
    assert skipped.isfinite().all()
    return Row(
        type(pipe).__name__,
        type(pipe.scheduler).__name__,
        torch.equal(before, same) and never.skipped == 0,
        torch.equal(before, case.run(pipe)),
        len(plain),
        never.calls,
        len(made),
        stats.calls,
        stats.skipped,
        stats.last.computed,
    )


@contextlib.contextmanager
def counting(pipe):
    """Lists the transformer calls made in the body of a ``with`` statement."""
    made = []
    with contextlib.ExitStack() as hooks:
        for name, part in pipe.components.items():
            if name.startswith(COUNTED) and part is not None:
                hook = part.register_forward_pre_hook(lambda *_, name=name: made.append(name))
                hooks.enter_context(hook)
        yield made
