"""Published benchmarks: their prompts, and the files that their own scorers write."""

from fastflow_plugins.benchmarks.gedit import GEdit
from fastflow_plugins.benchmarks.geneval import GenEval
from fastflow_plugins.benchmarks.vbench import VBench

__all__ = [
    "GEdit",
    "GenEval",
    "VBench",
]
