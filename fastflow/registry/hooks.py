"""The kinds of component, and the hooks through which plugins provide them.

One entry in `KINDS` defines a kind: its hook, its part of the catalog, of configurations and of
the documentation's table and, if `fastflow.testing.rulebook` has a module of its name, of the test
kit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastflow.evaluation.benchmark import Benchmark
from fastflow.evaluation.method import Method
from fastflow.evaluation.metric import Metric
from fastflow.evaluation.observer import Observer
from fastflow.integration.corrector import Corrector
from fastflow.integration.extrapolator import Extrapolator
from fastflow.policies.policy import Policy
from fastflow.policies.reward import Reward
from fastflow.registry.applications.plugin_commands import fastflow_commands, hookspec
from fastflow.sampling.executor import Executor
from fastflow.sampling.model import Model, Probe


@dataclass(frozen=True)
class Kind:
    """Defines a kind of component.

    Args:
        base: the base class of every component of the kind.
        plural: the kind's name in the plural, for the hook ``fastflow_<plural>``.
        purpose: what such components do, as a sentence.
    """

    base: type
    plural: str
    purpose: str

    @property
    def hook(self) -> str:
        """The name of the hook."""
        return f"fastflow_{self.plural}"


KINDS: dict[str, Kind] = {
    "policy": Kind(Policy, "policies", "Policies decide which steps are computed."),
    "extrapolator": Kind(
        Extrapolator, "extrapolators", "Extrapolators predict the velocities of skipped steps."
    ),
    "corrector": Kind(
        Corrector, "correctors", "Correctors improve the latents once the model is called again."
    ),
    "reward": Kind(Reward, "rewards", "Rewards weigh skipped steps against their errors."),
    "model": Kind(Model, "models", "Models load a flow-matching model, to be sampled from."),
    "probe": Kind(
        Probe, "probes", "Probes compute a cheap signal of a transformer's input, by class name."
    ),
    "method": Kind(
        Method, "methods", "Methods generate with fewer network calls, to be compared."
    ),
    "metric": Kind(Metric, "metrics", "Metrics measure outputs."),
    "benchmark": Kind(
        Benchmark, "benchmarks", "Benchmarks connect runs with official scorers, both ways."
    ),
    "observer": Kind(Observer, "observers", "Observers follow runs and change nothing."),
    "executor": Kind(
        Executor, "executors", "Executors distribute work over devices and processes."
    ),
}


def _specification(kind: Kind) -> Callable[[], dict[str, type]]:
    def components() -> dict[str, type]: ...  # type: ignore[empty-body]

    components.__name__ = components.__qualname__ = kind.hook
    package = ".".join(kind.base.__module__.split(".")[:2])
    components.__doc__ = f"{kind.purpose} Subclasses of `{package}.{kind.base.__name__}`, by name."
    return hookspec(components)


SPECIFICATIONS = type(
    "Specifications",
    (),
    {kind.hook: _specification(kind) for kind in KINDS.values()}
    | {"fastflow_commands": fastflow_commands},
)
