"""Solvers that are trained by backpropagation through their own runs."""

from fastflow_plugins.methods.trained.bespoke import Bespoke
from fastflow_plugins.methods.trained.neural_solver import NeuralSolver

__all__ = ["Bespoke", "NeuralSolver"]
