"""Kills of commands at random moments, and what has to hold of each and of its resume."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "runs"))

from clock import without_clock

STATUS = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}
NOT_COMPARED = (".lock", ".lock.json", "inputs.json", "config.yaml", "versions.json")
UNFINISHED = re.compile(r"\.\d+-[0-9a-f]{8}\.part")


class Warm:
    """A process whose forks run commands."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdin
        assert self.process.stdout
        self.orders, self.answers = self.process.stdin, self.process.stdout
        assert self.answers.readline() == "ready\n"

    def run(self, words, cwd, seconds=None, deeds=None, kill=signal.SIGKILL, **options):
        """Runs a command, which is killed after some seconds or deeds.

        Args:
            words: the command.
            cwd: where it runs.
            seconds: the seconds after which it is killed.
            deeds: the number of files that it writes, moves or removes before it is killed.
            kill: the signal.
            options: more of an order to `warm`.

        Returns:
            Its status, the number of its deeds, and all that it said.
        """
        said = Path(cwd) / "said"
        said.write_text("")
        order = {"words": words, "cwd": str(cwd), "err": str(said)}
        order |= {"after": deeds, "signal": int(kill), **options}
        self.orders.write(json.dumps(order) + "\n")
        self.orders.flush()
        pid = int(self.answers.readline())
        timer = None
        if seconds is not None:
            timer = threading.Timer(seconds, _send, (pid, kill))
            timer.start()
        status, count = map(int, self.answers.readline().split())
        if timer is not None:
            timer.cancel()
        return status, count, said.read_text().replace("\r", "\n")

    def close(self) -> None:
        """Ends it."""
        self.orders.close()
        self.process.wait(60)
        self.answers.close()


def _send(pid, signum):
    with suppress(ProcessLookupError):
        os.kill(pid, signum)


def content(folder: Path) -> dict[str, bytes]:
    """Returns the content of a finished directory by name, without what a clock or a kill left."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    kept = [p for p in files if p.name not in NOT_COMPARED and not UNFINISHED.fullmatch(p.name)]
    return {str(p.relative_to(folder)): _plain(p) for p in kept}


def _plain(path: Path) -> bytes:
    if path.name == "samples.jsonl":  # the order in which samples finish is free
        return b"\n".join(sorted(without_clock(path).split(b"\n")))
    return without_clock(path)


def stage(folder: Path) -> str:
    """Returns how far a killed command came."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return "nothing"
    if not (folder / "config.yaml").is_file():
        return "folder"
    rows = folder / "samples.jsonl"
    count = len(list((folder / "rows").glob("*.json"))) if not rows.is_file() else -1
    if (folder / "report.html").is_file():
        return "report"
    if (folder / "summary.json").is_file() or (folder / "comparison.json").is_file():
        return "summary"
    if (rows.is_file() and rows.stat().st_size) or count > 0:
        return "rows"
    return "begun"


@dataclass
class Kills:
    """Kills of one command, each resumed and compared with the run that nobody disturbed.

    Args:
        warm: runs the commands.
        words: the command, without its `out`.
        folder: where to work.
        seed: of the moments.
    """

    warm: Warm
    words: list[str]
    folder: Path
    seed: int = 0
    counts: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = self.folder / "whole"
        whole.mkdir()
        begin = time.monotonic()
        status, self.deeds, said = self.warm.run(self.with_out("run"), whole)
        self.seconds = time.monotonic() - begin
        assert status == 0, said
        self.expected = content(whole / "run")

    def with_out(self, name):
        return [*self.words, f"out={name}"]

    def one(self, kill: signal.Signals) -> None:
        """Kills the command once, at a deed or between two, and resumes it until it ends."""
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        moment: dict[str, Any] = {"deeds": self.random.randint(1, self.deeds)}
        if self.random.random() < 1 / 3:
            moment = {"seconds": self.random.uniform(0, self.seconds)}
        status, _, said = self.warm.run(self.with_out("run"), self.folder, kill=kill, **moment)
        where = f"{kill.name} {moment}: {said[-3000:]}"
        reached = stage(run)
        self.counts[kill.name, reached if status else "finished before"] += 1
        if status == 0 and "seconds" in moment:
            return
        assert status == STATUS[kill], f"status {status} {where}"
        check_said(said, self.words[0], kill, reached)
        again = [self.words[0], "resume=run"]
        if not (run / "config.yaml").is_file():
            again = self.with_out("run")
        status, _, said = self.warm.run(again, self.folder)
        assert status == 0, f"resumed: status {status} {where}\n{said[-3000:]}"
        found = content(run)
        assert found.keys() == self.expected.keys(), f"{where}: {found.keys() ^ self.expected}"
        differing = [name for name in found if found[name] != self.expected[name]]
        assert not differing, f"{where}: {differing}"


def check_said(said, command, kill, reached):
    """Checks that an interruption is told in one line, with the way to resume."""
    lines = said.splitlines()
    assert "Traceback" not in said, said
    assert "Exception ignored" not in said, said
    own = [line for line in lines if line.startswith("fastflow ")]
    if kill == signal.SIGKILL:
        assert not own, said
        return
    assert len(own) == 1, said
    assert own[0].startswith(f"fastflow {command}: interrupted."), said
    if reached not in ("nothing", "folder", "report"):
        assert f"resume with: fastflow {command} resume=run" in own[0], said
