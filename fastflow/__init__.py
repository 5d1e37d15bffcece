"""fastflow: step skipping for flow-matching models, for research and for use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastflow.acceleration import enable
    from fastflow.errors import UserError
    from fastflow.evaluation import Metric, Observer
    from fastflow.integration import Corrector, Extrapolator, Grid, StepContext
    from fastflow.policies import ArmStats, Bandit, Policy, Reward, SkipLength, greedy
    from fastflow.registry import hookimpl, installed
    from fastflow.sampling import Model, Request, Sample, Sampler, Video

__version__ = "0.1.0"
__all__ = [
    "ArmStats",
    "Bandit",
    "Corrector",
    "Extrapolator",
    "Grid",
    "Metric",
    "Model",
    "Observer",
    "Policy",
    "Request",
    "Reward",
    "Sample",
    "Sampler",
    "SkipLength",
    "StepContext",
    "UserError",
    "Video",
    "enable",
    "greedy",
    "hookimpl",
    "installed",
]

# Imported on first use: `fastflow --help` answers before torch is there.
_PACKAGES = {
    "acceleration": ("enable",),
    "errors": ("UserError",),
    "evaluation": ("Metric", "Observer"),
    "integration": ("Corrector", "Extrapolator", "Grid", "StepContext"),
    "policies": ("ArmStats", "Bandit", "Policy", "Reward", "SkipLength", "greedy"),
    "registry": ("hookimpl", "installed"),
    "sampling": ("Model", "Request", "Sample", "Sampler", "Video"),
}
_HOMES = {name: package for package, names in _PACKAGES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports what is public, and the packages that hold it, when they are first used."""
    if name in _PACKAGES:
        return import_module(f"fastflow.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"fastflow.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
