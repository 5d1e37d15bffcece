"""Published rules for skipping steps, each written from its paper or public code."""

from fastflow_plugins.policies.published.bag import BAG
from fastflow_plugins.policies.published.easycache import EasyCache
from fastflow_plugins.policies.published.flowcast import FlowCast
from fastflow_plugins.policies.published.growing_gaps import GrowingGaps
from fastflow_plugins.policies.published.seacache import SeaCache
from fastflow_plugins.policies.published.step_mask import StepMask
from fastflow_plugins.policies.published.teacache import (
    Change,
    TeaCache,
    changes,
    relative_change,
)

__all__ = [
    "BAG",
    "Change",
    "EasyCache",
    "FlowCast",
    "GrowingGaps",
    "SeaCache",
    "StepMask",
    "TeaCache",
    "changes",
    "relative_change",
]
