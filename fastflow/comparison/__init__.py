"""Comparisons of methods at the same number of computed steps, on the same noise."""

from fastflow.comparison.compare import compare
from fastflow.comparison.comparison_settings import ComparisonSettings

__all__ = [
    "ComparisonSettings",
    "compare",
]
