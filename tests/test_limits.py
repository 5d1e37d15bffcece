"""A test that hangs fails, whatever it hangs in, and the suite goes on."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
LIMITS = ("timeout", "faulthandler_timeout", "faulthandler_exit_on_timeout", "session_timeout")
HANGING = {
    "python": "import time; time.sleep(100)",
    "a_child": "import subprocess; subprocess.run(['sleep', '100'])",
    "c_code": "import ctypes; ctypes.PyDLL(None).sleep(100)",  # holds the interpreter's lock
}


def test_every_limit_is_set():
    options = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]
    assert set(LIMITS) <= set(options["ini_options"])


@pytest.mark.parametrize("stuck", HANGING)
def test_a_hanging_test_fails_and_the_next_one_runs(tmp_path, stuck):
    (tmp_path / "test_it.py").write_text(
        f"def test_hangs():\n    {HANGING[stuck]}\n\ndef test_next():\n    pass\n"
    )
    limits = ["timeout=1", "faulthandler_timeout=2", "faulthandler_exit_on_timeout=true"]
    options = ["-p", "no:cacheprovider", "-n", "1", *(f"-o{limit}" for limit in limits)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--rootdir={tmp_path}", *options, "test_it.py"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
