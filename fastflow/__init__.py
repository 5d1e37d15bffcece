"""fastflow: step skipping for flow-matching models, for research and for use."""

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
