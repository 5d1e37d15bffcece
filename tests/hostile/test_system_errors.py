"""The system's errors in many places: one sentence each, and a resume that ends the same.

`make hostile` tries more sizes of disks: DISKS sets how many. Disks that are full are small file
systems in memory, which root alone can mount; others limit the size of each file instead.
"""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from killing import Warm, content
from test_kills import COMMANDS

DISKS = int(os.environ.get("DISKS", "3"))
GENEVAL = Path(__file__).parents[1] / "data" / "benchmarks" / "evaluation_metadata.jsonl"
CALIBRATE = ["calibrate", "equal_change", "model=mixture", "executor=inline", "samples=2"]
NOBODY = 65534
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.timeout(300 + 20 * DISKS),
]


@pytest.fixture(scope="module")
def warm():
    """Yields a process whose forks run commands."""
    one = Warm()
    yield one
    one.close()


@pytest.fixture(scope="module", params=["sample", "compare"])
def whole(request, warm, tmp_path_factory):
    """Returns a command, and the directory of a run that had all it needed."""
    folder = tmp_path_factory.mktemp("whole")
    words = COMMANDS[request.param]
    status, _, said = warm.run([*words, "out=run"], folder)
    assert status == 0, said
    return words, folder / "run"


@contextmanager
def disk(folder, size):
    """Mounts a file system of a size in bytes; skips the test if that cannot be done here."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not IS_ROOT or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(folder):
    subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)


def sentence(command, status, said):
    """Returns the one line in which a command says why it failed."""
    assert "Traceback" not in said, said
    assert "Exception ignored" not in said, said
    own = [line for line in said.splitlines() if line.startswith("fastflow ")]
    assert status == 1, said
    assert len(own) == 1, said
    assert own[0].startswith(f"fastflow {command}: "), said
    return own[0]


def finish(warm, words, folder, whole):
    """Resumes a run that has room now, or begins it anew, and compares it with the whole one."""
    command, run = words[0], folder / "run"
    begun = (run / "config.yaml").is_file()
    again = [command, "resume=run"] if begun else [*words, "out=run"]
    status, _, said = warm.run(again, folder)
    assert status == 0, said
    found, expected = content(run), content(whole)
    assert found.keys() == expected.keys()
    assert not [name for name in found if found[name] != expected[name]]


def sizes(largest, step):
    """Returns sizes from 0 to what a run needs, a few or many."""
    return [step * round(i * largest / DISKS / step) for i in range(DISKS)]


def test_a_full_disk_of_any_size_loses_nothing(warm, whole, tmp_path):
    words, run = whole
    needed = sum(-(-path.stat().st_size // 4096) * 4096 for path in run.rglob("*"))
    for size in sizes(needed, 4096):
        with disk(tmp_path / f"disk-{size}", max(size, 4096)) as folder:
            (folder / "said").symlink_to(tmp_path / "said")
            status, _, said = warm.run([*words, "out=run"], folder)
            if status:
                assert "No space left" in sentence(words[0], status, said) or "full" in said
            enlarge(folder)
            if not (folder / "run" / "report.html").is_file():
                finish(warm, words, folder, run)


def test_files_that_may_not_become_so_large_lose_nothing(warm, whole, tmp_path):
    words, run = whole
    largest = max(path.stat().st_size for path in run.rglob("*"))
    for number, size in enumerate(sizes(largest, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "said").write_text("")
        status, _, said = warm.run([*words, "out=run"], folder, large=size + 4000)
        if status:
            sentence(words[0], status, said)
        finish(warm, words, folder, run)


def test_a_fit_that_cannot_be_written_is_printed(warm, tmp_path):
    with disk(tmp_path / "disk", 4096) as folder:
        (folder / "said").symlink_to(tmp_path / "said")
        (folder / "filler").write_bytes(b"0" * 4096)
        status, _, said = warm.run([*CALIBRATE, "steps=10", "out=fit.yaml"], folder)
        assert "the fit is what was printed" in sentence("calibrate", status, said)
        assert "changes:" in said
        assert not (folder / "fit.yaml").exists()


@pytest.fixture(scope="module")
def geneval(warm, tmp_path_factory):
    """Returns the directory of a benchmark's run, with the results of its scorer beside it."""
    folder = tmp_path_factory.mktemp("geneval")
    words = ["sample", "model=mixture", "executor=inline", "metrics=[]", "steps=8", "policy=every"]
    own = ["benchmark=geneval", "benchmark.repeats=1", f"prompts={GENEVAL}", "out=run"]
    status, _, said = warm.run([*words, *own], folder)
    assert status == 0, said
    status, _, said = warm.run(["export", "run", "out=exported"], folder)
    assert status == 0, said
    lines = [json.loads(line) for line in GENEVAL.read_text().splitlines()]
    rows = [
        {"filename": f"/x/{i:05d}/samples/0000.png", "tag": item["tag"], "prompt": item["prompt"]}
        | {"correct": True, "reason": "", "metadata": json.dumps(item), "details": "{}"}
        for i, item in enumerate(lines)
    ]
    (folder / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


AFTERWARDS = {
    "report": ["report", "run"],
    "export": ["export", "run", "out=exported"],
    "import-scores": ["import-scores", "run", "skipped=scores.jsonl"],
}


@pytest.mark.parametrize("name", AFTERWARDS)
def test_a_full_disk_leaves_a_finished_run_as_it_was(warm, geneval, tmp_path, name):
    with disk(tmp_path / "disk", 2**23) as folder:
        (folder / "said").symlink_to(tmp_path / "said")
        shutil.copytree(geneval / "run", folder / "run")
        shutil.copy(geneval / "scores.jsonl", folder)
        before = content(folder / "run")
        room = shutil.disk_usage(folder).free
        (folder / "filler").write_bytes(b"0" * (room - 8192))
        status, _, said = warm.run(AFTERWARDS[name], folder)
        said = sentence(name, status, said)
        whole = content(folder / "run") == before
        assert whole or "repeat the command with replace=true" in said
        (folder / "filler").unlink()
        again = [] if whole else ["replace=true"]
        status, _, said = warm.run([*AFTERWARDS[name], *again], folder)
        assert status == 0, said


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
@pytest.mark.parametrize("name", AFTERWARDS)
def test_a_folder_of_somebody_else_is_one_sentence(warm, geneval, tmp_path, name):
    folder = tmp_path / "theirs"
    shutil.copytree(geneval, folder)
    shutil.rmtree(folder / "exported")
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    (folder / "said").write_text("")
    (folder / "said").chmod(0o666)
    status, _, said = warm.run(AFTERWARDS[name], folder, user=NOBODY)
    assert "ermission" in sentence(name, status, said)


@pytest.mark.parametrize("name", [*AFTERWARDS, "sample", "compare", "calibrate"])
def test_a_read_only_file_system_is_one_sentence(warm, geneval, tmp_path, name):
    words = {
        "sample": [*COMMANDS["sample"], "out=new"],
        "compare": [*COMMANDS["compare"], "out=new"],
        "calibrate": [*CALIBRATE, "steps=10", "out=fit.yaml"],
    } | AFTERWARDS
    with disk(tmp_path / "disk", 2**23) as folder:
        (folder / "said").symlink_to(tmp_path / "said")
        shutil.copytree(geneval / "run", folder / "run")
        shutil.copy(geneval / "scores.jsonl", folder)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        status, _, said = warm.run(words[name], folder)
        assert "ead-only" in sentence(name, status, said)
        assert "changes:" in said or name != "calibrate"
