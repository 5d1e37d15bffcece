"""Runs a model's own code in float64, whatever formats it asks for: nothing is rounded."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DECISIONS = ("aten::gt", "aten::ge", "aten::lt", "aten::le")


class ExactArithmetic(TorchDispatchMode):
    """Widens every operand and every requested format to float64, so that nothing is rounded.

    Noise is drawn as it would be, because another format draws other numbers. Numbers are compared
    as they are, because a time at the edge of an interval has to stay on its side; so views, which
    round nothing, keep their format.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name
        is_view = any(result.alias_info is not None for result in func._schema.returns)
        if is_view or name in DECISIONS:
            return func(*args, **kwargs)
        if name == "aten::randn":
            return func(*args, **kwargs | {"dtype": torch.float32})
        return func(*tree_map(_widened, args), **tree_map(_widened, kwargs))


def _widened(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.double()
    if isinstance(value, torch.dtype) and value.is_floating_point:
        return torch.float64
    return value
