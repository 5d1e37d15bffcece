"""Tells whether a pipeline itself calls one of its parts, or somebody within its call.

A callback may call another pipeline that shares the transformer, or the transformer itself. Those
calls are made by the same thread, during the same call; only the stack tells them apart.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from types import CodeType
from typing import Any

from torch import nn


def is_called_by(pipe: Any, part: Any, callbacks: frozenset[CodeType]) -> bool:
    """Returns whether the innermost caller of a part is this pipeline.

    Callers are a callback, the pipeline itself, and another pipeline: an object with a scheduler
    that holds the same part and is not held by this pipeline.

    Args:
        pipe: the pipeline.
        part: the network or the scheduler that is being called.
        callbacks: the code of the callbacks of the pipeline's call.
    """
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code in callbacks:
            return False
        if code.co_argcount and code.co_varnames[0] == "self":
            caller = frame.f_locals.get("self")
            if caller is pipe:
                return True
            if _is_other_pipeline(caller, pipe, part):
                return False
        frame = frame.f_back
    return False


def callback_codes(arguments: Iterable[tuple[str, Any]]) -> frozenset[CodeType]:
    """Returns the code of all callbacks among the named arguments of a pipeline's call."""
    found = (_code(value) for name, value in arguments if "callback" in name and callable(value))
    return frozenset(code for code in found if code is not None)


def _code(function: Any) -> CodeType | None:
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__code__"):  # bound methods pass it on; other objects do not
        function = getattr(type(function), "callback_fn", None) or type(function).__call__
    return getattr(function, "__code__", None)


def _is_other_pipeline(caller: Any, pipe: Any, part: Any) -> bool:
    if isinstance(caller, nn.Module) or not hasattr(caller, "__dict__"):
        return False
    held = vars(caller)
    return (
        "scheduler" in held
        and any(value is part for value in held.values())
        and not any(value is caller for value in vars(pipe).values())
    )
