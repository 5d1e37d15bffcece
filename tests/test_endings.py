"""How commands end: by a signal, a full disk, a closed output, a lost process, a bug."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fastflow import cli, endings
from fastflow.errors import UserError, is_users
from fastflow.registry import Command, ConfigError
from fastflow.sampling import ModelWrapper, Worker
from fastflow.sampling.executor import FirstProcessFailed, Terminated

MIXTURE = ("model=mixture", "policy=every", "metrics=[]", "steps=20")
TWO = ("executor.accelerator=cpu", "executor.devices=2", "executor.strategy=ddp")
EXECUTORS = {"inline": ("executor=inline",), "one": ("executor.accelerator=cpu",), "two": TWO}


def started(words, **options):
    """Starts fastflow as a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | options.pop("env", {})
    return subprocess.Popen(
        [sys.executable, "-m", "fastflow.cli", *words],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def running(path, *words):
    """Starts a long run and returns it once it has finished some samples."""
    run = started(["sample", *MIXTURE, "samples=5000", "max_batch=2", f"out={path}", *words])
    until = time.monotonic() + 100
    while time.monotonic() < until and run.poll() is None:
        if (path / "samples.jsonl").is_file() and len(rows(path)) > 2:
            return run
        time.sleep(0.1)
    raise AssertionError(run.communicate()[1])


def rows(path):
    return (path / "samples.jsonl").read_text().splitlines()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_sigterm_keeps_finished_samples_and_says_how_to_resume(executor, tmp_path):
    path = tmp_path / "run"
    run = running(path, *EXECUTORS[executor])
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=100)
    assert run.returncode == 143, err
    assert (
        f"interrupted. Finished samples are kept; resume with: fastflow sample resume={path}"
        in err
    )
    assert err.count("fastflow sample:") == 1
    assert "Traceback" not in err
    assert [json.loads(row) for row in rows(path)]


def test_a_killed_process_is_named_with_how_to_resume(tmp_path):
    path = tmp_path / "run"
    run = running(path, *TWO)
    children = f"/proc/{run.pid}/task/{run.pid}/children"
    if not os.path.exists(children):
        run.kill()
        pytest.skip("the processes of a process are listed in /proc only on Linux")
    other = int(Path(children).read_text().split()[0])
    os.kill(other, signal.SIGKILL)
    _, err = run.communicate(timeout=100)
    assert run.returncode == 1, err
    assert f"process 2 of 2 (pid {other}) was killed by signal 9" in err
    assert f"resume with: fastflow sample resume={path}" in err
    assert "Traceback" not in err


def test_an_error_of_the_first_of_two_processes_is_said_once(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("")
    run = started(["sample", *MIXTURE, "samples=4", f"out={tmp_path / 'run'}", *TWO])
    _, err = run.communicate(timeout=100)
    assert run.returncode == 2, err
    assert err.count("fastflow sample:") == 1, err


def test_the_other_processes_raise_that_the_first_one_failed():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Worker().from_first(fail)
    other = Worker(rank=1, size=2, gather=lambda value: [(None, True), value])
    with pytest.raises(FirstProcessFailed):
        other.from_first(fail)


def test_a_closed_output_is_one_sentence():
    run = started(["plugins", "policy"])
    assert run.stdout is not None
    run.stdout.close()
    assert run.stderr is not None
    with run.stderr:
        err = run.stderr.read()
    assert run.wait(60) == 1
    message = "the output was closed by its reader, so the rest of it is not printed."
    assert err == f"fastflow plugins: {message}\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full device is there on Linux")
def test_a_full_output_is_one_sentence():
    with open("/dev/full", "w") as full:
        run = started(["plugins"], stdout=full)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 1
    assert err == "fastflow plugins: the output: No space left on device. Make room.\n"


def test_a_terminal_without_a_character_shows_its_code(tmp_path):
    words = ["sample", *MIXTURE, "samples=1", "executor=inline", f"out={tmp_path / '猫'}"]
    run = started(words, env={"PYTHONIOENCODING": "ascii"})
    out, err = run.communicate(timeout=100)
    assert run.returncode == 0, err
    assert "\\u732b" in out


def test_a_name_that_is_too_long_is_one_sentence(tmp_path, capsys):
    words = ["sample", *MIXTURE, "executor=inline", "samples=1"]
    assert cli.main([*words, f"out={tmp_path / ('a' * 300)}"]) == 1
    err = capsys.readouterr().err
    assert "File name too long. Choose a shorter name." in err
    assert err.count("fastflow sample:") == 1


def test_a_run_all_of_whose_samples_fail_ends_with_1(tmp_path, monkeypatch, capsys):
    from fastflow_plugins.models import mixture

    plain = mixture.MixtureFlow.velocity
    monkeypatch.setattr(
        mixture.MixtureFlow, "velocity", lambda *words: plain(*words) * float("nan")
    )
    path = tmp_path / "run"
    assert cli.main(["sample", *MIXTURE, "executor=inline", "samples=3", f"out={path}"]) == 1
    message = f"all samples failed; the reasons are in {path / 'samples.jsonl'}."
    assert message in capsys.readouterr().err
    assert (path / "report.html").is_file()


def test_what_is_calibrated_is_printed_before_it_is_written(tmp_path, monkeypatch, capsys):
    def full(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("fastflow.runs.calibration.write_whole", full)
    words = ["calibrate", "equal_change", "model=mixture", "executor=inline", "samples=2"]
    assert cli.main([*words, "steps=10", f"out={tmp_path / 'it.yaml'}"]) == 1
    said = capsys.readouterr()
    assert "changes:" in said.out
    assert "the fit is what was printed." in said.err


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "your quota is used up"),
        (errno.EFBIG, "no file may become so large here"),
        (errno.EROFS, "Read-only file system"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_keeps_a_run_from_writing_is_one_sentence(number, why, tmp_path, monkeypatch, capsys):
    def fail(image, path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("fastflow.runs.directory.keep", fail)
    path = tmp_path / "run"
    assert cli.main(["sample", *MIXTURE, "executor=inline", "samples=2", f"out={path}"]) == 1
    own = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fastflow")]
    mend = "make room" if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "mend that"
    assert len(own) == 1
    assert own[0].startswith(f"fastflow sample: {why}: '")
    assert f"{mend}, then go on with: fastflow sample resume={path}" in own[0]
    monkeypatch.undo()
    assert cli.main(["sample", f"resume={path}"]) == 0


def test_a_user_error_is_public():
    import fastflow

    assert fastflow.UserError is UserError


def chance():
    return int("no number")


def deliberate():
    raise ValueError("`steps` must be 1 or more.")


def ending(monkeypatch, capsys, run, *words):
    monkeypatch.setitem(cli.COMMANDS, "try", Command(lambda words: run(), "", ""))
    return cli.main(["try", *words]), capsys.readouterr().err


@pytest.mark.parametrize("run", [chance, deliberate, lambda: {}["x"]])
def test_what_no_module_of_ours_raised_on_purpose_is_a_bug(run, monkeypatch, capsys):
    status, err = ending(monkeypatch, capsys, run)
    assert status == 70
    assert err.startswith("fastflow try: this is a bug, and not something that you did wrong: ")
    file = err.split("which is in ")[1].rstrip(".\n")
    with open(file) as kept:
        assert "Traceback (most recent call last)" in kept.read()
    os.remove(file)


class Linear(ModelWrapper):
    """A model whose library refuses what it is called with."""

    key = "linear(./files)"

    def __init__(self):
        """Has no model inside."""

    def velocity(self, x, t, conditioning):
        return torch.nn.Linear(2, 3)(x)


def test_a_model_that_fails_in_a_library_is_named_with_it(monkeypatch, capsys):
    status, err = ending(
        monkeypatch, capsys, lambda: Linear().velocity(torch.ones(1, 5), None, ())
    )
    assert status == 1
    assert err.startswith(
        "fastflow try: the model 'linear(./files)' failed: torch says: RuntimeError: mat1 and "
    )
    assert " or the library not this machine. If neither is so, please report it with its" in err
    os.remove(err.split("which is in ")[1].rstrip(".\n"))


def test_the_traceback_is_shown_on_request(monkeypatch, capsys):
    for words, value in ((["--traceback"], "0"), ([], "1")):
        monkeypatch.setenv("FASTFLOW_TRACEBACK", value)
        status, err = ending(monkeypatch, capsys, chance, *words)
        assert status == 70
        assert "Traceback (most recent call last)" in err


def test_a_user_error_is_raised_on_purpose():
    def caught(call):
        try:
            call()
        except Exception as error:
            return error
        raise AssertionError

    def mine():
        raise UserError("`x` must be 1.")

    assert is_users(caught(mine))
    assert is_users(caught(deliberate), {__name__})
    assert not is_users(caught(deliberate))
    assert not is_users(caught(chance), {__name__})
    assert not is_users(caught(lambda: {}["x"]), {__name__})


def test_memory_that_runs_out_is_one_sentence(monkeypatch, capsys):
    def too_much():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 1 TB")

    status, err = ending(monkeypatch, capsys, too_much)
    assert (status, "memory ran out" in err) == (1, True)


def test_what_a_library_raises_while_it_is_interrupted_is_an_interruption(capsys):
    error = UnboundLocalError("its own clean-up")
    error.__context__ = Terminated()
    assert endings.end("sample", error) == 143
    assert "interrupted." in capsys.readouterr().err


def test_a_refusal_that_an_interruption_brought_about_is_an_interruption(capsys):
    error = ConfigError("`defaults` cannot have this value.")
    error.__cause__ = AttributeError("of a library's clean-up")
    error.__cause__.__context__ = KeyboardInterrupt()
    assert endings.end("compare", error) == 130
    assert capsys.readouterr().err == "\nfastflow compare: interrupted.\n"


EXECUTING = """
import sys
from fastflow import endings

def interrupted():
    raise KeyboardInterrupt

try:
    exec("interrupted()")
except KeyboardInterrupt as error:
    sys.exit(endings.end("sample", error))
"""


def test_an_interrupted_text_leaves_the_exit_status_alone(tmp_path):
    (tmp_path / "executing.py").write_text(EXECUTING)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    ended = subprocess.run(
        [sys.executable, "-m", "executing"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 130, ended.stderr
