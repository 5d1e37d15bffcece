"""Methods of acceleration that a comparison runs: skipping, solvers, caches, controls."""

from fastflow_plugins.methods.cache_dit import DBCache
from fastflow_plugins.methods.diffusers_caches import FirstBlockCache, MagCache, TaylorSeer
from fastflow_plugins.methods.negative_control import NegativeControl
from fastflow_plugins.methods.oracle import Oracle
from fastflow_plugins.methods.skipping import Skipping
from fastflow_plugins.methods.solver import Solver
from fastflow_plugins.methods.teacache_method import TeaCacheMethod

__all__ = [
    "DBCache",
    "FirstBlockCache",
    "MagCache",
    "NegativeControl",
    "Oracle",
    "Skipping",
    "Solver",
    "TaylorSeer",
    "TeaCacheMethod",
]
