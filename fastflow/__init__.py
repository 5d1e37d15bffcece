"""fastflow: step skipping for flow-matching models, as a laboratory and as a tool."""

from fastflow.acceleration.enable import Accelerated, enable
from fastflow.evaluation.benchmark import Benchmark
from fastflow.evaluation.method import Method
from fastflow.evaluation.metric import Metric
from fastflow.evaluation.observer import Observer
from fastflow.inferencer import WrappedBagel, wrap_bagel
from fastflow.integration.corrector import Corrector
from fastflow.integration.episode import Episode, StepContext
from fastflow.integration.extrapolator import Extrapolator
from fastflow.integration.feedback import Feedback, Observation
from fastflow.integration.grid import Grid
from fastflow.policies.arm_statistics import ArmStats
from fastflow.policies.bandit import Bandit, greedy
from fastflow.policies.memory import Memory
from fastflow.policies.policy import Policy
from fastflow.policies.reward import Reward
from fastflow.policies.skip_length import SkipLength
from fastflow.registry.catalog import PluginError, installed
from fastflow.registry.hooks import hookimpl
from fastflow.sampling.executor import Executor
from fastflow.sampling.media import Video
from fastflow.sampling.model import FlowModel, Model, Probe
from fastflow.sampling.request import Problem, Prompt, Request
from fastflow.sampling.sample import Sample
from fastflow.sampling.sampler import Sampler

__version__ = "0.1.0"
__all__ = [
    "Accelerated",
    "ArmStats",
    "Bandit",
    "Benchmark",
    "Corrector",
    "Episode",
    "Executor",
    "Extrapolator",
    "Feedback",
    "FlowModel",
    "Grid",
    "Memory",
    "Method",
    "Metric",
    "Model",
    "Observation",
    "Observer",
    "PluginError",
    "Policy",
    "Probe",
    "Problem",
    "Prompt",
    "Request",
    "Reward",
    "Sample",
    "Sampler",
    "SkipLength",
    "StepContext",
    "Video",
    "WrappedBagel",
    "enable",
    "greedy",
    "hookimpl",
    "installed",
    "wrap_bagel",
]
