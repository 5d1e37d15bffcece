"""What an optimising sweep looks for: measures in the summaries of its runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastflow.errors import UserError

DEFAULT = "[psnr_db,speedup_calls]"
LESS_IS_BETTER = re.compile(r"calls_|learning_|seconds|lpips|error|failed|flips|rms")
SETTING = "objective"


@dataclass(frozen=True)
class SweepObjective:
    """Names the measures of a summary that a sweep makes as good as it can.

    Attributes:
        measures: their names in summary.json.
    """

    measures: Sequence[str]

    @classmethod
    def of(cls, text: str | None) -> SweepObjective:
        """Reads ``objective=score`` or ``objective=[psnr_db,calls_mean]``.

        Raises:
            UserError: if it names no measure.
        """
        names = [name.strip() for name in (text or DEFAULT).strip("[] ").split(",")]
        if not all(re.fullmatch(r"\w+", name) for name in names):
            raise UserError(
                f"`{SETTING}` must name measures of summary.json, such as {DEFAULT}, got {text!r}."
            )
        return cls(tuple(names))

    @property
    def directions(self) -> list[str]:
        """For each measure, whether more or less of it is better."""
        less = (LESS_IS_BETTER.search(name) for name in self.measures)
        return ["minimize" if found else "maximize" for found in less]

    def value(self, summary: Mapping[str, Any]) -> Any:
        """Returns the number, or the list of several, that the sweeper is told of a run.

        Raises:
            UserError: if the summary has no such number.
        """
        for name in self.measures:
            if not isinstance(summary.get(name), (int, float)):
                numbers = ", ".join(k for k, v in summary.items() if isinstance(v, (int, float)))
                raise UserError(
                    f"`{SETTING}` names `{name}`, and the summary has no such number. It has "
                    f"{numbers}."
                )
        values = [float(summary[name]) for name in self.measures]
        return values if len(values) > 1 else values[0]
