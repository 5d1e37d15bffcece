"""The test kit: rules for components, as functions named by the rule.

Call ``check(MyPolicy())`` in your own test to check all of them, or parametrise tests with
``rules("policy")``.
"""

from fastflow.testing.conformance import check, failures, kind_of, rules
from fastflow.testing.drive import Transcript, drive, field, grids, uneven
from fastflow.testing.rule import RuleBroken

__all__ = [
    "RuleBroken",
    "Transcript",
    "check",
    "drive",
    "failures",
    "field",
    "grids",
    "kind_of",
    "rules",
    "uneven",
]
