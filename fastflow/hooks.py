"""The hooks: a plugin's functions of these names are called once, when fastflow looks around.

Each returns a dictionary from a component's name to its class, a frozen dataclass.
"""

from __future__ import annotations

import pluggy

hookspec = pluggy.HookspecMarker("fastflow")
hookimpl = pluggy.HookimplMarker("fastflow")


@hookspec
def fastflow_policies() -> dict[str, type]:  # type: ignore[empty-body]
    """Policies decide which steps are computed: subclasses of `fastflow.Policy`."""


@hookspec
def fastflow_extrapolators() -> dict[str, type]:  # type: ignore[empty-body]
    """Extrapolators predict skipped velocities: subclasses of `fastflow.Extrapolator`."""


@hookspec
def fastflow_correctors() -> dict[str, type]:  # type: ignore[empty-body]
    """Correctors mend the position at landings: subclasses of `fastflow.Corrector`."""


@hookspec
def fastflow_rewards() -> dict[str, type]:  # type: ignore[empty-body]
    """Rewards weigh skipped steps against errors: subclasses of `fastflow.Reward`."""


@hookspec
def fastflow_adapters() -> dict[str, type]:  # type: ignore[empty-body]
    """Adapters load models: subclasses of `fastflow.Adapter`."""


@hookspec
def fastflow_probes() -> dict[str, type]:  # type: ignore[empty-body]
    """Probes look cheaply at transformers, by class name: subclasses of `fastflow.Probe`."""


@hookspec
def fastflow_methods() -> dict[str, type]:  # type: ignore[empty-body]
    """Methods generate with fewer calls, to be compared: subclasses of `fastflow.Method`."""


@hookspec
def fastflow_metrics() -> dict[str, type]:  # type: ignore[empty-body]
    """Metrics measure outputs: subclasses of `fastflow.Metric`."""


@hookspec
def fastflow_benchmarks() -> dict[str, type]:  # type: ignore[empty-body]
    """Benchmarks lead to official scorers and back: subclasses of `fastflow.Benchmark`."""


@hookspec
def fastflow_observers() -> dict[str, type]:  # type: ignore[empty-body]
    """Observers watch runs: subclasses of `fastflow.Observer`."""


@hookspec
def fastflow_trainers() -> dict[str, type]:  # type: ignore[empty-body]
    """Trainers place work on devices and processes: subclasses of `fastflow.Trainer`."""
