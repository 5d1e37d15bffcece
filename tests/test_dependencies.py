"""What pyproject.toml asks for: lower bounds that are tested, and no malicious upload."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1]
ASKED = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_dependency_has_a_lower_bound():
    done = subprocess.run(
        [sys.executable, PROJECT / ".ci" / "lowest.py"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert {line.partition("==")[0] for line in done.stdout.splitlines()} >= set(_names())


def test_every_dependency_has_a_line_in_the_documentation():
    page = (PROJECT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [name for name in _names() if f"| `{name}` |" not in page] == []


def test_the_malicious_uploads_of_lightning_are_excluded():
    (lightning,) = [one for one in ASKED["dependencies"] if one.startswith("lightning")]
    assert "!=2.6.2" in lightning
    assert "!=2.6.3" in lightning


def _names():
    return [re.split(r"[<>=!\[]", one)[0] for one in ASKED["dependencies"]]
