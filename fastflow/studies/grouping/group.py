"""A group of runs that differ in the seed alone, and the numbers estimated from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from fastflow.studies.grouping.differing import setting_text, short_name
from fastflow.studies.grouping.study_measure import StudyMeasure
from fastflow.studies.reading.study_run import COMPARED, StudyRun

Bounds = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its two 95 % intervals, which answer different questions.

    Args:
        mean: the mean over prompts of each prompt's mean over seeds.
        prompts: what other prompts may give, from a bootstrap over prompts; None with one prompt.
        seeds: what other seeds may give, from Student's t over the seeds' means; None with one.
        of_seeds: the mean of each seed.
        best: whether no other group in the contest is distinguishably better.
    """

    mean: float
    prompts: Bounds | None = None
    seeds: Bounds | None = None
    of_seeds: Sequence[float] = ()
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs with the same settings.

    Args:
        runs: the runs, one for each seed.
        names: the settings that tell the groups of its section apart.
        estimates: the numbers, by the names of their measures.
    """

    runs: Sequence[StudyRun]
    names: Sequence[str]
    estimates: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def first(self) -> StudyRun:
        """The first run, whose settings are those of all."""
        return self.runs[0]

    @property
    def seeds(self) -> list[int]:
        """The seeds."""
        return [run.seed for run in self.runs]

    @property
    def contest(self) -> tuple[int, int]:
        """What groups share whose numbers are ranked: steps, and a comparison's target."""
        return (self.first.steps, self.target)

    @property
    def target(self) -> int:
        """The computed steps that a comparison's methods are brought to; 0 for runs."""
        return self.first.settings["target"] if self.first.kind == COMPARED else 0

    @property
    def mark(self) -> str:
        """Why it is never the best; empty if it may be."""
        return next((run.mark for run in self.runs if run.mark), "")

    def label(self, names: Sequence[str] | None = None) -> str:
        """Returns its settings in a few words, such as ``ucb, mu 0.3``."""
        names = self.names if names is None else names
        given = (n for n in names if self.first.settings.get(n) is not None)
        texts = (self._part(name) for name in given)
        return ", ".join(texts) or "all runs"

    def _part(self, name: str) -> str:
        text = setting_text(self.first.settings, name)
        if "." not in name and isinstance(self.first.settings[name], str):
            return text
        return f"{short_name(name, self.names)} {text}"

    def total(self, part: str) -> float:
        """Returns a count of its runs, such as ``failed``, summed over the seeds."""
        return sum(getattr(run, part) for run in self.runs)

    def by_prompt(self, column: str) -> dict[str, float]:
        """Returns the mean of a column over seeds for each prompt."""
        found: dict[str, list[float]] = {}
        for run in self.runs:
            for prompt, value in run.by_prompt(column).items():
                found.setdefault(prompt, []).append(value)
        return {prompt: fmean(values) for prompt, values in found.items()}

    def of_seeds(self, measure: StudyMeasure) -> list[float]:
        """Returns the mean, or the ratio of means, of each seed that has it."""
        means = ((run.mean(measure.column), run.mean(measure.over)) for run in self.runs)
        if not measure.over:
            return [mean for mean, _ in means if mean is not None]
        return [top / below for top, below in means if top is not None and below]

    def with_estimates(self, estimates: Mapping[str, Estimate]) -> Group:
        """Returns the group with numbers."""
        return replace(self, estimates=estimates)
