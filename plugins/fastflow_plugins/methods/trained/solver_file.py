"""Files of trained solvers, in JSON: by method, then by number of computed steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastflow.evaluation import Bench
from fastflow.sampling import check_schema, parse_json, read_bounded, write_whole


def find_solver(path: str, method: str, computed_steps: int, bench: Bench) -> dict[str, Any]:
    """Returns a trained solver from a file; empty if the file does not exist or lacks it.

    Args:
        path: the file; none is read if empty.
        method: the name of the method.
        computed_steps: the number of computed steps.
        bench: the model and the number of steps for which it has to have been trained.

    Raises:
        ValueError: if the solver was trained for another model or another grid.
    """
    if not path or not Path(path).exists():
        return {}
    content = _read(Path(path))
    found = content.get(method, {}).get(str(computed_steps), {})
    for name, here in _identity(bench).items():
        if found and found[name] != here:
            raise ValueError(
                f"`file` is {path!r}, whose solver of {computed_steps} steps was trained for the "
                f"{name} {found[name]!r}, and this is {here!r}. Name another file, or none."
            )
    return found


def keep_solver(
    path: str, method: str, computed_steps: int, bench: Bench, content: dict[str, Any]
) -> None:
    """Adds a trained solver to a file, or replaces the one there; arguments as above."""
    if not path:
        return
    file = Path(path)
    whole = _read(file) if file.exists() else {}
    whole.setdefault(method, {})[str(computed_steps)] = _identity(bench) | content
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, _lines(whole))


def _read(file: Path) -> dict[str, dict[str, dict[str, Any]]]:
    name = f"`file` {str(file)!r}"
    content = parse_json(read_bounded(file, name, "a file of trained solvers"), name)
    check_schema(dict[str, dict[str, dict[str, Any]]], content, name)
    return content


def _lines(whole: dict[str, dict[str, Any]]) -> str:
    """Returns the file's text, with one line for each solver."""
    methods = []
    for method, solvers in whole.items():
        rows = ",\n".join(f' "{n}": {json.dumps(solver)}' for n, solver in solvers.items())
        methods.append(f'"{method}": {{\n{rows}\n}}')
    return "{\n" + ",\n".join(methods) + "\n}\n"


def _identity(bench: Bench) -> dict[str, str]:
    return {"model": bench.model.key, "grid": bench.model.grid(bench.steps).digest}
