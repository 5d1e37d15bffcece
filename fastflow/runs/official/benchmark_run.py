"""The run of a benchmark: opened to be exported, or to take its official scores in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastflow.evaluation.benchmark import Benchmark, places
from fastflow.evaluation.measurement import SIDES, SampleRow
from fastflow.registry.compose import build_chosen, load
from fastflow.report.load import check_run_dir
from fastflow.runs.directory import RunDirectory


@dataclass(frozen=True)
class BenchmarkRun:
    """A finished run of a benchmark.

    Args:
        directory: its directory.
        name: the benchmark's name.
        benchmark: the benchmark, with the parameters of the run.
        places: the sample's row for every place that the scorer looks at; failed samples have
            none.
    """

    directory: RunDirectory
    name: str
    benchmark: Benchmark
    places: Mapping[str, SampleRow]

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def sides(self) -> list[str]:
        """Of ``skipped`` and ``full``, what the run has outputs of."""
        rows = self.places.values()
        return [side for side in SIDES if any(row.image_of(side) for row in rows)]

    @classmethod
    def open(cls, path: Path) -> BenchmarkRun:
        """Opens a run directory.

        Raises:
            ValueError: if it is none, is unfinished, or its run was of no benchmark.
        """
        check_run_dir(path)
        config, directory = load(path / "config.yaml"), RunDirectory(path)
        benchmark = build_chosen(config, "benchmark")
        if benchmark is None:
            raise ValueError(
                f"`run_dir` '{path}' is of no benchmark: make one with "
                "fastflow sample benchmark=NAME prompts=FILE."
            )
        if not (path / "summary.json").is_file():
            raise ValueError(
                f"`run_dir` '{path}' is unfinished. Finish it with: fastflow sample resume={path}"
            )
        rows = [row for row in directory.rows() if not row.failure]
        found = places(benchmark, ((row.item, row.repeat) for row in rows))
        return cls(
            directory, config["names"]["benchmark"], benchmark, dict(zip(found, rows, strict=True))
        )
