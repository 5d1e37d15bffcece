"""Kills of commands that are several processes, several runs, or no run at all."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from killing import STATUS, Kills, content, own_lines
from starting import free_port

TARGETS = ("first", "other", "all")


@dataclass
class KillsOfTwo(Kills):
    """Kills of one of two processes, or of both by a signal to their group.

    Args:
        under_slurm: whether something else has started both; else the first starts the other,
            which takes seconds, in which most of these kills come.
    """

    under_slurm: bool = False

    def __post_init__(self):
        self.again_in_two = False
        self.meet()
        super().__post_init__()

    def meet(self):
        """Chooses a port at which two processes meet that something else starts."""
        self.options = {"port": free_port()} if self.under_slurm else {}

    def moment(self) -> dict[str, Any]:
        """Draws when, and which process: before they have met, Slurm itself ends the others."""
        self.meet()
        moment = {"deeds": self.random.randint(1, self.deeds)}
        if not self.under_slurm and self.random.random() < 2 / 3:
            moment = {"seconds": self.random.uniform(0, self.seconds)}
        return moment | {"target": self.random.choice(TARGETS)}

    def may_end_before(self, moment):
        return "seconds" in moment or moment["target"] == "other"

    def check(self, status, said, kill, reached, moment):
        own, target = own_lines(said), moment["target"]
        where = f"status {status} {kill.name} {moment} {reached}: {said}"
        if kill == signal.SIGKILL and target == "all":
            assert (status, own) == (-9, []), where
            return
        others = (1, 130, 143) if kill != signal.SIGKILL else (1,)
        expected = others if target == "other" else (STATUS[kill],)
        assert status in expected, where
        at_work = reached in ("begun", "rows")
        least = 1 if at_work or status != -9 else 0  # the other may have ended before
        assert least <= len(own) <= 1, where
        if at_work:
            assert "resume with: fastflow sample resume=run" in own[0], where
        if own and kill == signal.SIGKILL:
            assert f"process {1 if target == 'first' else 2} of 2" in own[0], where


@dataclass
class KillsOfSweeps(Kills):
    """Kills of a sweep, which its folder resumes once it has a `sweep.json`."""

    def again(self):
        begun = (self.run / "sweep.json").is_file()
        return [self.words[0], "resume=run"] if begun else self.with_out("run")

    def check_interrupted(self, own, reached):
        assert len(own) == 1, own
        assert own[0].startswith("fastflow sample: interrupted."), own
        if (self.run / "sweep.json").is_file():
            assert "resume with: fastflow sample resume=run" in own[0], own


@dataclass
class KillsOfStudies(Kills):
    """Kills of a study, which is repeated."""

    def again(self):
        return self.with_out("run")

    def check_interrupted(self, own, reached):
        assert len(own) == 1, own
        assert own[0].startswith("fastflow study: interrupted."), own


def study_of(warm, folder, run):
    """Returns the tables of a study of a finished run or sweep."""
    status, _, said = warm.run(["study", str(run), "out=study"], folder)
    assert status == 0, said
    return content(folder / "study")
