"""Runs `fastflow compare` in this process, on the mixture, with a few quick methods."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from fastflow.cli import main

FEW = "methods=[euler,uniform,random_arms,ucb,plan,oracle_linear_corrected,negative_control]"
QUICK = ("model=mixture", "steps=20", "targets=[12,6]", "samples=5", "tuning=10", "pairs=1")


@dataclass
class Done:
    """A command's exit status, its output and its directory."""

    status: int
    out: str
    err: str
    path: Path

    @property
    def results(self):
        return json.loads((self.path / "comparison.json").read_text())

    @property
    def table(self):
        with (self.path / "comparison.csv").open() as file:
            return list(csv.DictReader(file))

    def row(self, method, target):
        (row,) = [
            row
            for row in self.results["table"]
            if (row["method"], row["target"]) == (method, target)
        ]
        return row


@pytest.fixture(scope="session")
def compare_into():
    """Returns a function that runs `fastflow compare` into a folder."""

    def run(path, *overrides, capsys=None):
        own = () if any(o.startswith("resume=") for o in overrides) else (f"out={path}",)
        given = {o.partition("=")[0] for o in overrides}
        usual = (*QUICK, "converged_steps=60", FEW)
        rest = [o for o in usual if o.partition("=")[0] not in given and own]
        status = main(["compare", *rest, *own, *overrides])
        captured = capsys.readouterr() if capsys else None
        return Done(
            status, captured.out if captured else "", captured.err if captured else "", path
        )

    return run


@pytest.fixture
def compare(compare_into, tmp_path, capsys):
    """Returns a function that runs `fastflow compare` with overrides into a new folder."""

    def run(*overrides, out="comparison"):
        return compare_into(tmp_path / out, *overrides, capsys=capsys)

    return run


@pytest.fixture(scope="session")
def done(compare_into, tmp_path_factory):
    """One comparison that many tests read."""
    return compare_into(tmp_path_factory.mktemp("compare") / "done")
