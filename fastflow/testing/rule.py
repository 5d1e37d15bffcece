"""Rules, and the error of a component that breaks one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Rule = Callable[..., None]


class RuleBroken(AssertionError):
    """Raised if a component breaks a rule.

    Attributes:
        rule: the name of the rule, a sentence with underscores.
        seen: what was observed instead.
    """

    def __init__(self, rule: str, seen: str):
        super().__init__(rule, seen)
        self.rule, self.seen = rule, seen

    def __str__(self) -> str:
        return f"{self.rule.replace('_', ' ')}: {self.seen}"


def demand(holds: Any, seen: str) -> None:
    """Raises an AssertionError that states what was observed, unless the condition holds."""
    if not holds:
        raise AssertionError(seen)


def rule(function: Rule) -> Rule:
    """Makes a function a rule, which raises every error as a `RuleBroken` of its name."""

    @functools.wraps(function)
    def checked(component: Any, **context: Any) -> None:
        try:
            function(component, **context)
        except AssertionError as broken:
            raise RuleBroken(function.__name__, str(broken)) from None
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
            raise RuleBroken(function.__name__, seen) from error

    checked.is_rule = True  # type: ignore[attr-defined]
    return checked
