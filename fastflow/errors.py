"""Whose fault an error is: the user's, the system's or ours."""

from __future__ import annotations

import opcode
from collections.abc import Collection
from types import TracebackType

OWN_PACKAGES = frozenset({"fastflow", "fastflow_plugins", "fastflow_minis"})
_RAISE = opcode.opmap["RAISE_VARARGS"]  # the instruction of a ``raise`` statement


class UserError(ValueError):
    """Raised for what a user did wrong; the message says what, what is allowed and what to do."""


class Failed(Exception):
    """Raised if a command could not do its work for a reason outside of it.

    The message says what is kept and how to go on.
    """


def is_users(error: BaseException, packages: Collection[str] = OWN_PACKAGES) -> bool:
    """Returns whether an error is about what the user gave, and no bug.

    It is one if it is a `UserError`, or a ValueError that a ``raise`` statement in one of these
    packages raised: they say so on purpose. A ValueError out of a library, or out of an
    expression such as ``int(text)``, came by chance.

    Args:
        error: a caught error.
        packages: the names of the packages whose ValueErrors are deliberate.
    """
    if isinstance(error, UserError):
        return True
    last = _innermost(error.__traceback__)
    if not isinstance(error, ValueError) or last is None:
        return False
    name = last.tb_frame.f_globals.get("__name__", "")
    raised = last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE
    return raised and name.partition(".")[0] in packages


def _innermost(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback
