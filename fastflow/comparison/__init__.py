"""Comparisons of methods at the same number of computed steps, on the same noise."""

from fastflow.comparison.compare import compare
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.comparison.rows import ComparisonDirectory

__all__ = [
    "ComparisonDirectory",
    "ComparisonSettings",
    "compare",
]
