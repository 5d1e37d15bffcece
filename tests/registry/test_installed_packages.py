"""A third-party package, installed and used as by its users."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "write_a_policy.md"
SOURCE = Path(__file__).parents[1] / "packages" / "fastflow-sawtooth"
SAMPLE = """
from fastflow import Request, Sampler, installed

catalog = installed()
parts = {
    kind: catalog.get(kind, name)()
    for kind, name in {"policy": "sawtooth", "extrapolator": "linear", "corrector": "none"}.items()
}
sampler = Sampler(catalog.get("model", "mixture")().load(), **parts)
(sample,) = sampler.run([Request(index=0, prompt="", seed=0, steps=20)])
print(*sample.arms)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Returns a folder with the package installed in it; the environment stays unchanged."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, *offline, "--target", target, SOURCE], check=True, timeout=240)
    return target


def python(site, *words, cwd=None):
    """Runs Python with the installed package and returns what it prints."""
    paths = str(site), os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_policy_is_listed_with_its_package_and_its_first_line(site):
    listed = python(site, "-m", "fastflow.cli", "plugins", "policy").splitlines()
    (line,) = [line for line in listed if line.split()[0] == "sawtooth"]
    assert "Skips 0, 1, 2, ... steps up to a peak, then starts again." in line
    assert "[sawtooth]" in line


def test_an_installed_policy_is_in_the_catalog(site):
    ask = "from fastflow import installed; print(installed().get('policy', 'sawtooth')())"
    assert python(site, "-c", ask) == "Sawtooth(peak=3)\n"


def test_the_package_passes_its_own_tests_with_the_kit(site):
    words = ["-p", "no:cacheprovider", "--rootdir", str(SOURCE), "-c", os.devnull]
    printed = python(site, "-m", "pytest", "-q", *words, str(SOURCE / "test_sawtooth.py"))
    assert "3 passed" in printed


def test_an_installed_policy_samples_the_mixture(site):
    assert python(site, "-c", SAMPLE) == "0 1 2 3 0 1 2 2\n"


def test_an_installed_policy_is_chosen_on_the_command_line(site):
    shown = python(
        site, "-m", "fastflow.cli", "sample", "--cfg", "policy=sawtooth", "policy.peak=5"
    )
    assert "component: sawtooth\n  peak: 5" in shown


def test_its_method_is_compared_as_the_page_says(site, tmp_path):
    (line,) = re.findall(r"^\$ fastflow (compare .*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    python(site, "-m", "fastflow.cli", *line.split(), cwd=tmp_path)
    with (tmp_path / "compared" / "comparison.csv").open() as file:
        steps = {row["method"]: float(row["steps"]) for row in csv.DictReader(file)}
    assert steps["sawtooth"] == steps["uniform"] == 9


def test_the_installed_package_changes_nothing_where_it_is_not_named(site):
    assert "sawtooth" not in python(site, "-m", "fastflow.cli", "sample", "--cfg").lower()
