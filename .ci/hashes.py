"""Writes hashes.txt: the packages of a plain install with W&B, each with the hash of its file.

Of constraints.txt's versions, for this platform and Python: pip states which files it would take.
torch is left out: its builds for CPUs and for GPUs are different files of the same version.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LEFT_OUT = ("torch",)
HEAD = """\
# Written by `make hashes` from constraints.txt, for Linux on x86-64 and Python 3.11. After torch:
# pip install --no-deps --require-hashes -r hashes.txt
"""


def report() -> dict:
    """Returns what pip would install."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["wandb"]
    options = ["--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    constraints = ["-c", str(PROJECT / "constraints.txt")]
    command = [sys.executable, "-m", "pip", "install", *options, *constraints, *wanted]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def lines(content: dict) -> list[str]:
    """Returns a line for each package of pip's report."""
    found = []
    for one in content["install"]:
        name = one["metadata"]["name"].lower().replace("_", "-")
        own = one["download_info"]["archive_info"]["hashes"]["sha256"]
        if name not in LEFT_OUT:
            found.append(f"{name}=={one['metadata']['version']} --hash=sha256:{own}")
    return sorted(found)


if __name__ == "__main__":
    text = HEAD + "\n".join(lines(report())) + "\n"
    (PROJECT / "hashes.txt").write_text(text, encoding="utf-8")
