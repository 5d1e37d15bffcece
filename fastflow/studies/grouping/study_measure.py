"""What a study shows of its groups, and which end of each number is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastflow.evaluation.summary import PSNR
from fastflow.studies.reading.study_run import (
    CALLS,
    CALLS_FULL,
    RMS,
    SECONDS,
    SECONDS_FULL,
    StudyRun,
)

_LOWER = ("lpips", "brisque", "distance", "noise", "change", "deviation", "error", "rms")


@dataclass(frozen=True, kw_only=True)
class StudyMeasure:
    """A number of a group: the mean of a column, or the ratio of two means.

    Args:
        name: its name in files.
        column: the column of the samples.
        over: the column whose mean it is divided by; empty for a mean.
        title: its name in tables, with the unit.
        higher: whether a larger number is better.
        digits: how many digits are shown after the point.
        paired: the column whose differences decide ties; the same as ``column`` if empty.
        clock: whether it was read off a clock.
        brief: whether LaTeX leaves out its intervals, which study.csv has.
    """

    name: str
    column: str
    title: str
    over: str = ""
    higher: bool = True
    digits: int = 2
    paired: str = ""
    clock: bool = False
    brief: bool = False

    @property
    def short(self) -> str:
        """The title without its unit."""
        return self.title.partition(",")[0]

    @property
    def difference(self) -> tuple[str, bool]:
        """The column whose differences decide ties, and whether more of it is better."""
        return self.paired or self.column, self.higher if not self.paired else False


KNOWN = (
    StudyMeasure(name="calls", column=CALLS, title="calls", higher=False, digits=1, brief=True),
    StudyMeasure(
        name="speedup_calls",
        column=CALLS_FULL,
        over=CALLS,
        title="speed-up, calls",
        paired=CALLS,
        brief=True,
    ),
    StudyMeasure(
        name="seconds",
        column=SECONDS,
        title="denoising, s",
        higher=False,
        digits=3,
        clock=True,
        brief=True,
    ),
    StudyMeasure(
        name="speedup_wall",
        column=SECONDS_FULL,
        over=SECONDS,
        title="speed-up, time",
        paired=SECONDS,
        clock=True,
        brief=True,
    ),
    StudyMeasure(name=PSNR, column=PSNR, title="PSNR, dB"),
    StudyMeasure(name="ssim", column="ssim", title="SSIM", digits=4),
    StudyMeasure(name="lpips", column="lpips", title="LPIPS", higher=False, digits=4),
    StudyMeasure(name="score", column="score", title="score", digits=3),
    StudyMeasure(name="clip_score", column="clip_score", title="CLIP score"),
    StudyMeasure(name="rms", column=RMS, title="latent RMS", higher=False, digits=4),
)


def measures_of(runs: Sequence[StudyRun]) -> list[StudyMeasure]:
    """Returns the measures that at least one run has, the common ones first."""
    present = {name for run in runs for name in run.columns}
    known = [m for m in KNOWN if {m.column, m.over or m.column} <= present]
    told = {m.column for m in KNOWN} | {m.over for m in KNOWN}
    return known + [_of_metric(name) for name in sorted(present - told)]


def common(measures: Sequence[StudyMeasure]) -> list[StudyMeasure]:
    """Returns the measures that have a column in the tables to read; study.csv has all.

    The distance of the latents stands in only where no output was measured.
    """
    seen = any(measure.name == PSNR for measure in measures)
    return [m for m in measures if m in KNOWN and not (seen and m.name == RMS)]


def _of_metric(name: str) -> StudyMeasure:
    higher = not any(word in name for word in _LOWER)
    return StudyMeasure(name=name, column=name, title=name, higher=higher, digits=3)
