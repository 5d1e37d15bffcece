"""The settings in which runs differ: the columns of a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastflow.studies.reading.study_run import StudyRun

MISSING = "\N{EN DASH}"
FIRST = ("method", "target", "policy", "extrapolator", "corrector", "model")


def differing(runs: Sequence[StudyRun]) -> list[str]:
    """Returns the settings in which runs differ, those of a sweep first; a missing one counts."""
    swept = [name for run in runs for name in run.swept]
    rest = [name for run in runs for name in run.settings]
    names = dict.fromkeys([*swept, *FIRST, *rest])
    return [name for name in names if len({_key(run, name) for run in runs}) > 1]


def table_columns(runs: Sequence[StudyRun], names: Sequence[str]) -> list[str]:
    """Returns the settings that a table needs in order to tell its groups apart.

    A parameter that only some components have, and that follows from the other columns, such as
    the gamma of UCB where every run of UCB has the same, is left out.
    """
    swept = {name for run in runs for name in run.swept}
    everywhere = [n for n in names if n in swept or all(n in run.settings for run in runs)]
    kept = list(_independent(runs, everywhere, swept))
    for name in names:
        if name not in everywhere and _count(runs, [*kept, name]) > _count(runs, kept):
            kept.append(name)
    return kept


def _independent(runs: Sequence[StudyRun], names: Sequence[str], swept: set[str]) -> Iterator[str]:
    """Yields settings, without those that are another name of one before them."""
    seen: set[tuple[int, ...]] = set()
    for name in names:
        values = {value: i for i, value in enumerate(dict.fromkeys(_key(r, name) for r in runs))}
        pattern = tuple(values[_key(run, name)] for run in runs)
        if pattern not in seen or name in swept:
            yield name
        seen.add(pattern)


def _count(runs: Sequence[StudyRun], names: Sequence[str]) -> int:
    return len({tuple(_key(run, name) for name in names) for run in runs})


def _key(run: StudyRun, name: str) -> str:
    return repr(run.settings[name]) if name in run.settings else MISSING


def settings_key(run: StudyRun, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the values of settings, by which runs are grouped."""
    return tuple(_key(run, name) for name in names)


def setting_text(settings: Mapping[str, Any], name: str) -> str:
    """Returns a setting as tables show it."""
    if name not in settings:
        return MISSING
    value = settings[name]
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, bool) or value is None:
        return "none" if value is None else str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def short_name(name: str, names: Sequence[str]) -> str:
    """Returns the end of a setting's name that no other one shares, such as ``mu``."""
    parts = name.split(".")
    for n in range(1, len(parts)):
        end = ".".join(parts[-n:])
        if sum(other == end or other.endswith(f".{end}") for other in names) == 1:
            return end
    return name
