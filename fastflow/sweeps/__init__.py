"""Sweeps: one command, several values of its settings, and a run for each combination.

A sweep is a folder with an ordinary run or comparison in each of its subfolders, and a
``sweep.json`` that names them.
"""

from fastflow.sweeps.sweep_folder import Sweep, SweepFolder, SweptRun

__all__ = ["Sweep", "SweepFolder", "SweptRun"]
