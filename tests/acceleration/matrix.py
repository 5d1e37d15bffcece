"""The identity matrix: what `enable` does to each tiny pipeline, measured."""

import contextlib
from dataclasses import dataclass

import torch

import fastflow
from fastflow.acceleration.pipeline_parts import COUNTED
from fastflow_plugins.policies.static import Every


@dataclass(frozen=True)
class Row:
    """What was seen of one pipeline.

    Attributes:
        pipeline: its class.
        scheduler: the class of its scheduler.
        enabled: whether never skipping was bit for bit the untouched pipeline.
        disabled: whether the pipeline was bit for bit itself afterwards.
        plain: the network calls that the untouched pipeline made.
        never: those made while never skipping, as counted by the statistics.
        made: those really made with every third step computed.
        counted: those that the statistics say were made.
        skipped: those that the statistics say were answered without the network.
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
    """Lists the transformer calls made inside."""
    made = []
    with contextlib.ExitStack() as hooks:
        for name, part in pipe.components.items():
            if name.startswith(COUNTED) and part is not None:
                hook = part.register_forward_pre_hook(lambda *_, name=name: made.append(name))
                hooks.enter_context(hook)
        yield made
