"""Probes: a cheap look at how much a network's input has changed, for policies that want one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Probe(ABC):
    """Looks at one class of transformer; its name in the catalog is the name of that class."""

    @abstractmethod
    def look(self, transformer: Any, inputs: Mapping[str, Any]) -> Tensor:
        """Returns what the first block would see, ``(B, N, D)``; calls no block.

        Args:
            transformer: the network.
            inputs: the arguments of its ``forward``, by name.
        """
