"""Every method brought to the same number of computed steps, on the same noise."""

from fastflow.comparison.compare import compare

__all__ = [
    "compare",
]
