"""The test kit: what every component has to keep to, as plain functions whose names are rules.

``check(MyPolicy())`` in a test of your own is all it takes; ``rules("policy")`` lists the rules to
parametrise tests with.
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
