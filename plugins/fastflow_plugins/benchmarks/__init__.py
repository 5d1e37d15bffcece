"""Published benchmarks: their prompts, and the result files of their own scorers."""

from fastflow_plugins.benchmarks.gedit import GEdit
from fastflow_plugins.benchmarks.geneval import GenEval
from fastflow_plugins.benchmarks.vbench import VBench

__all__ = [
    "GEdit",
    "GenEval",
    "VBench",
]
