"""Tells whether a pipeline itself calls one of its parts, or somebody within its call.

A callback may call another pipeline that shares the transformer, or the transformer itself. Those
calls are made by the same thread, during the same call; only the stack tells them apart.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any

from torch import nn

OURS = str(Path(__file__).parents[1])
ENTRY = "_run_pipeline"  # our method that calls the pipeline's own


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

    def forget(self) -> None:
        """Lets go of the call, whose variables hold latents."""
        self._frame = None

    def values(self) -> list[Any]:
        """Returns what the pipeline holds, in its attributes and in the variables of its call."""
        found = list(vars(self.pipe).values())
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not self._is_entry(frame):
            if not frame.f_code.co_filename.startswith(OURS):
                found += frame.f_locals.values()
            frame = frame.f_back
        return found

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
            if code.co_filename.startswith(OURS):
                if code.co_name == ENTRY and self._is_entry(frame):
                    return True  # the pipeline's code has another name for itself
            elif code.co_varnames[:1] == ("self",) or "self" in code.co_freevars:
                caller = frame.f_locals.get("self")
                if caller is self.pipe:
                    if code.co_name == "__call__":  # it lasts as long as the call
                        self._frame = frame
                    return True
                elif _is_other_pipeline(caller, self.pipe, part):
                    return False
            frame = frame.f_back
        return frame is not None

    def _is_entry(self, frame: FrameType) -> bool:
        """Returns whether a frame is of our method that makes the call."""
        code = frame.f_code
        is_ours = code.co_name == ENTRY and code.co_filename.startswith(OURS)
        return is_ours and frame.f_locals["self"].pipe is self.pipe


def callbacks_of(pipe: Any, plain: Callable, args: tuple, kwargs: Mapping[str, Any]) -> list[Any]:
    """Returns what a call of a pipeline may call back.

    That is every function among the arguments, whatever its name, and every callable that is
    called a callback; and what the pipeline holds under a callback's name.

    Args:
        pipe: the pipeline.
        plain: its method.
        args: the positional arguments.
        kwargs: the named arguments.
    """
    named = [*kwargs.items(), *_names_of(plain, args)]
    held = ((name, one) for name, one in vars(pipe).items() if _is_named_so(name))
    given = [(name, one) for name, one in named if _is_named_so(name) or _is_function(one)]
    return [one for _, one in (*given, *held) if callable(one) and not isinstance(one, type)]


def callback_codes(callbacks: Iterable[Any]) -> frozenset[CodeType]:
    """Returns the code of callbacks."""
    return frozenset(code for code in map(_code, callbacks) if code is not None)


def _names_of(plain: Callable, args: tuple) -> list[tuple[str, Any]]:
    """Returns the names of positional arguments, if a callable is among them."""
    if not any(map(callable, args)):
        return []
    return list(zip(inspect.signature(plain).parameters, args))


def _is_named_so(name: str) -> bool:
    return "callback" in name or "hook" in name or name.startswith("on_")


def _is_function(one: Any) -> bool:
    return isinstance(one, (FunctionType, MethodType, functools.partial))


def _code(function: Any) -> CodeType | None:
    """Returns the code that runs in a callable; of decorators, that of what they decorate."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, nn.Module):
            function = type(function).forward
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    code = getattr(function, "__code__", None)  # bound methods pass it on; other objects do not
    if code is not None or isinstance(function, BuiltinFunctionType):
        return code
    inner = getattr(type(function), "callback_fn", None) or type(function).__call__
    return None if isinstance(inner, WrapperDescriptorType) else _code(inner)


def _is_other_pipeline(caller: Any, pipe: Any, part: Any) -> bool:
    if isinstance(caller, nn.Module) or not hasattr(caller, "__dict__"):
        return False
    held = vars(caller)
    return (
        "scheduler" in held
        and any(value is part for value in held.values())
        and not any(value is caller for value in vars(pipe).values())
    )
