"""Tells whether a pipeline itself calls one of its parts, or somebody within its call.

A callback may call another pipeline that shares the transformer, or the transformer itself. Those
calls are made by the same thread, during the same call; only the stack tells them apart.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from torch import nn

OURS = str(Path(__file__).parents[1])


@dataclass
class Caller:
    """Tells who calls a part within one call of a pipeline.

    Args:
        pipe: the pipeline.
        callbacks: the code of the callbacks of its call.
    """

    pipe: Any = None
    callbacks: frozenset[CodeType] = frozenset()
    _frame: FrameType | None = None  # of the pipeline's call, once it was seen

    def is_pipeline(self, part: Any) -> bool:
        """Returns whether the innermost caller of a part is this pipeline.

        Callers are a callback, the pipeline itself, and another pipeline: an object with a
        scheduler that holds the same part and is not held by this pipeline.

        Args:
            part: the network or the scheduler that is being called.
        """
        frame = sys._getframe(1)
        while frame is not None and frame is not self._frame:
            code = frame.f_code
            if code in self.callbacks:
                return False
            if code.co_varnames[:1] == ("self",) and not code.co_filename.startswith(OURS):
                caller = frame.f_locals.get("self")
                if caller is self.pipe:
                    if code.co_name == "__call__":  # it lasts as long as the call
                        self._frame = frame
                    return True
                if _is_other_pipeline(caller, self.pipe, part):
                    return False
            frame = frame.f_back
        return frame is not None


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
