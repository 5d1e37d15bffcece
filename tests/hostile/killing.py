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
from warm import strike

STATUS = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}
NOT_COMPARED = (".lock", ".lock.json", "inputs.json", "config.yaml", "versions.json")
LONGEST = 90  # seconds of a command; one that has not ended by then hangs
LINGERING = 20  # seconds in which all processes of a command end after the first one
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

    def run(
        self,
        words,
        cwd,
        seconds=None,
        deeds=None,
        kill=signal.SIGKILL,
        target="first",
        **options,
    ):
        """Runs a command, which is killed after some seconds or deeds.

        Args:
            words: the command.
            cwd: where it runs.
            seconds: the seconds after which it is killed.
            deeds: the number of files that it writes, moves or removes before it is killed.
            kill: the signal.
            target: the process that gets it: ``first``, ``other`` or ``all``.
            options: more of an order to `warm`.

        Returns:
            Its status, the number of its deeds, and all that it said.
        """
        said = Path(cwd) / "said"
        said.write_text("")
        order = {"words": words, "cwd": str(cwd), "err": str(said)}
        order |= {"after": deeds, "signal": int(kill), "target": target, **options}
        self.orders.write(json.dumps(order) + "\n")
        self.orders.flush()
        pid = int(self.answers.readline())
        group, hung = group_of(pid), []
        timers = [threading.Timer(LONGEST, _end, (group, hung))]
        if seconds is not None:
            timers.append(threading.Timer(seconds, strike, (pid, kill, target)))
        for timer in timers:
            timer.start()
        status, count = map(int, self.answers.readline().split())
        for timer in timers:
            timer.cancel()
        left = _left(group)
        text = said.read_text().replace("\r", "\n")
        assert not hung, f"{words} had not ended after {LONGEST} seconds: {text[-3000:]}"
        assert not left, f"{words}: {left} go on after {LINGERING} seconds: {text[-3000:]}"
        return status, count, text

    def close(self) -> None:
        """Ends it."""
        self.orders.close()
        self.process.wait(60)
        self.answers.close()


def group_of(pid: int) -> int:
    """Returns the process group of a command, which has one of its own."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return pid


def members(group: int) -> list[int]:
    """Returns the living processes of a group."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, own = (proc / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(own) == group and state != "Z":
                found.append(int(proc.name))
    return found


def _left(group):
    """Returns the processes of a group that do not end by themselves, and ends them."""
    until = time.monotonic() + LINGERING
    while (left := members(group)) and time.monotonic() < until:
        time.sleep(0.02)
    if left:
        _end(group, [])
    return left


def _end(group, hung):
    hung.append(group)
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def content(folder: Path) -> dict[str, bytes]:
    """Returns the content of a finished directory by name, without what a clock or a kill left."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    kept = [p for p in files if p.name not in NOT_COMPARED and not UNFINISHED.fullmatch(p.name)]
    return {str(p.relative_to(folder)): _plain(p) for p in kept}


def _plain(path: Path) -> bytes:
    if path.suffix == ".jsonl":  # the order in which samples finish is free
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
        options: more of an order to `warm`, for the runs that are killed.
    """

    warm: Warm
    words: list[str]
    folder: Path
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run = self.folder / "run"
        begin = time.monotonic()
        status, self.deeds, said = self.warm.run(self.with_out("run"), self.folder, **self.options)
        self.seconds = time.monotonic() - begin
        assert status == 0, said
        self.expected = content(self.run)

    def with_out(self, name):
        return [*self.words, f"out={name}"]

    def again(self):
        """Returns the command that resumes the run, or begins it if it had not begun."""
        if not (self.run / "config.yaml").is_file():
            return self.with_out("run")
        return [self.words[0], "resume=run"]

    def moment(self) -> dict[str, Any]:
        """Draws when the command is killed: at a deed or between two."""
        if self.random.random() < 1 / 3:
            return {"seconds": self.random.uniform(0, self.seconds)}
        return {"deeds": self.random.randint(1, self.deeds)}

    def one(self, kill: signal.Signals) -> None:
        """Kills the command once and resumes it until it ends."""
        shutil.rmtree(self.run, ignore_errors=True)
        moment = self.moment()
        status, _, said = self.warm.run(
            self.with_out("run"), self.folder, kill=kill, **self.options, **moment
        )
        where = f"{kill.name} {moment}: {said[-3000:]}"
        reached = self.stage()
        self.counts[kill.name, reached if status else "finished before"] += 1
        if status == 0 and self.may_end_before(moment):
            return self.compare(where)
        self.check(status, said, kill, reached, moment)
        status, _, said = self.warm.run(self.again(), self.folder)
        assert status == 0, f"resumed: status {status} {where}\n{said[-3000:]}"
        return self.compare(where)

    def stage(self):
        """Returns how far the killed command came."""
        return stage(self.run)

    def may_end_before(self, moment):
        """Returns whether the command may have ended before the moment came."""
        return "seconds" in moment

    def compare(self, where):
        """Compares every file with that of the run that nobody disturbed."""
        found = content(self.run)
        assert found.keys() == self.expected.keys(), f"{where}: {found.keys() ^ self.expected}"
        differing = [name for name in found if found[name] != self.expected[name]]
        assert not differing, f"{where}: {differing}"

    def check(self, status, said, kill, reached, moment):
        """Checks how a killed command ended and what it said."""
        assert status == STATUS[kill], f"status {status} {kill.name} {moment}: {said}"
        own = own_lines(said)
        if kill == signal.SIGKILL:
            assert not own, said
            return
        self.check_interrupted(own, reached)

    def check_interrupted(self, own, reached):
        """Checks that an interruption is told in one line, with the way to resume."""
        assert len(own) == 1, own
        assert own[0].startswith(f"fastflow {self.words[0]}: interrupted."), own
        if reached not in ("nothing", "folder", "report"):
            assert f"resume with: fastflow {self.words[0]} resume=run" in own[0], own


def own_lines(said):
    """Returns what is said of a command's end, of which nothing is a traceback."""
    assert "Traceback" not in said, said
    assert "Exception ignored" not in said, said
    return [line for line in said.splitlines() if line.startswith("fastflow")]
