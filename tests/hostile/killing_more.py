"""Kills of commands that are several processes, several runs, or no run at all."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Any

from killing import STATUS, Kills, content, own_lines
from starting import free_port

TARGETS = ("first", "other", "all")
SAMPLES, UPDATE = 40, 8  # of a run of two processes, and of those how many until it learns


@dataclass
class KillsOfTwo(Kills):
    """Kills of one of two processes, or of both by a signal to their group.

    Args:
        under_slurm: whether something else has started both; else the first starts the other,
            which takes seconds, in which most of these kills come.
    """

    under_slurm: bool = False

    def __post_init__(self):
        if not self.under_slurm:
            self.words = [*self.words, "executor.devices=2"]  # which the report states
        super().__post_init__()  # under Slurm by one process: their number does not matter

    def meet(self):
        """Chooses a port at which two processes meet that something else starts."""
        self.options = {"port": free_port()} if self.under_slurm else {}

    def moment(self) -> dict[str, Any]:
        """Draws when, and which process: before they have met, Slurm itself ends the others."""
        self.meet()
        target = self.random.choice(TARGETS)
        last = self.deeds * 2 // 3 if target == "other" else self.deeds  # it ends before the first
        moment = {"deeds": self.random.randint(1, last)}
        if not self.under_slurm and self.random.random() < 2 / 3:
            moment = {"seconds": self.random.uniform(0, self.seconds)}
        return moment | {"target": target}

    def may_end_before(self, moment):
        return "seconds" in moment or moment["target"] == "other"

    def rows(self):
        """Returns how many are written; the first writes those of the last update alone."""
        file = self.run / "samples.jsonl"
        return len(file.read_bytes().splitlines()) if file.is_file() else 0

    def check(self, status, said, kill, reached, moment):
        own, target = own_lines(said), moment["target"]
        where = f"status {status} {kill.name} {moment} {reached}: {said}"
        if kill == signal.SIGKILL and target == "all":
            assert (status, own) == (-9, []), where
            return
        others = (1, 130, 143) if kill != signal.SIGKILL else (1,)
        expected = others if target == "other" else (STATUS[kill],)
        assert status in expected, where
        at_work = reached in ("begun", "rows") and self.rows() <= SAMPLES - UPDATE
        least = 1 if at_work or status != -9 else 0  # the other may have ended before
        assert least <= len(own) <= 1, where
        if at_work:
            assert "resume with: fastflow sample resume=run" in own[0], where
        if own and kill == signal.SIGKILL:
            assert f"process {1 if target == 'first' else 2} of 2" in own[0], where


@dataclass
class KillsOfSweeps(Kills):
    """Kills of a sweep, which its folder resumes once it has a `sweep.json`."""

    def stage(self):
        if not (self.run / "sweep.json").is_file():
            return "no sweep.json"
        runs = json.loads((self.run / "sweep.json").read_text())["runs"]
        return f"{sum(run['status'] == 'done' for run in runs)} of {len(runs)} done"

    def again(self):
        begun = (self.run / "sweep.json").is_file()
        return [self.words[0], "resume=run"] if begun else self.with_out("run")

    def check_interrupted(self, own, reached):
        assert len(own) == 1, own
        assert own[0].startswith("fastflow sample: interrupted."), own
        if reached != "4 of 4 done" and (self.run / "sweep.json").is_file():
            assert "resume with: fastflow sample resume=run" in own[0], own


@dataclass
class KillsOfStudies(Kills):
    """Kills of a study, which is repeated."""

    def stage(self):
        return "files" if content(self.run) else "nothing"

    def again(self):
        return self.with_out("run")

    def check_interrupted(self, own, reached):
        assert len(own) == 1, own
        assert own[0].startswith("fastflow study: interrupted."), own
