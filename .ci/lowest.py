"""Prints the lowest versions that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
BOUND = re.compile(r"(?P<name>[\w-]+)(\[.*\])?>=(?P<version>[\w.]+)")
TOOLS = ("docs", "dev")  # they write and check, and nothing that is installed needs them


def lowest(project: dict) -> Iterator[str]:
    """Yields ``name==version`` of each dependency.

    Raises:
        ValueError: naming a dependency without a lower bound.
    """
    extras = project["optional-dependencies"].items()
    wanted = project["dependencies"] + [
        one for name, e in extras if name not in TOOLS for one in e
    ]
    for requirement in wanted:
        if requirement.startswith(f"{project['name']}["):
            continue
        if not (bound := BOUND.match(requirement)):
            raise ValueError(f"`{requirement}` has no lower bound: write {requirement}>=VERSION.")
        yield f"{bound['name']}=={bound['version']}"


if __name__ == "__main__":
    print("\n".join(lowest(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"])))
