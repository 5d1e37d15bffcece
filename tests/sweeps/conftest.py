"""One sweep that many tests look at."""

import pytest
from swept_folders import COMMON, in_a_process


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """Returns the folder of a sweep of four runs, begun in a process of its own."""
    path = tmp_path_factory.mktemp("sweeps") / "swept"
    words = ("-m", "policy=ucb,epsilon_greedy", "seed=0,7", *COMMON, f"out={path}")
    sweep = in_a_process("sample", *words)
    out, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, err
    (path.parent / "printed").write_text(out)
    return path
