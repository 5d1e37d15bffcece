"""The run of a benchmark, opened for exporting it or for importing its official scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastflow.evaluation.benchmark import Benchmark, places
from fastflow.evaluation.measurement import SIDES, SampleRow
from fastflow.registry.compose import build_chosen, load
from fastflow.report.load import check_run_dir
from fastflow.runs.directory import SAMPLES, RunDirectory
from fastflow.sampling.foreign.confined import inside_name
from fastflow.sampling.storage import command_line


@dataclass(frozen=True)
class BenchmarkRun:
    """A finished run of a benchmark.

    Args:
        directory: the run directory.
        name: the benchmark's name.
        benchmark: the benchmark, with the parameters of the run.
        places: the samples' rows by place, the file where the scorer expects them; without the
            samples that failed.
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
        """Those of ``skipped`` and ``full`` that the run has outputs of."""
        rows = self.places.values()
        return [side for side in SIDES if any(row.image_of(side) for row in rows)]

    @classmethod
    def open(cls, path: Path) -> BenchmarkRun:
        """Opens a run directory.

        Raises:
            ValueError: if it is not a run directory, is unfinished, or its run had no benchmark.
        """
        check_run_dir(path)
        config, directory = load(path / "config.yaml", kinds=("benchmark",)), RunDirectory(path)
        benchmark = build_chosen(config, "benchmark")
        if benchmark is None:
            raise ValueError(
                f"`run_dir` '{path}' is not the run of a benchmark. Make one with: "
                "fastflow sample benchmark=NAME prompts=FILE"
            )
        if not (path / "summary.json").is_file():
            raise ValueError(
                f"`run_dir` '{path}' is unfinished. Finish it with: "
                + command_line("sample", f"resume={path}")
            )
        rows = [row for row in directory.rows() if not row.failure]
        files = _places(benchmark, rows, path / SAMPLES)
        return cls(
            directory, config["names"]["benchmark"], benchmark, dict(zip(files, rows, strict=True))
        )


def _places(benchmark: Benchmark, rows: Sequence[SampleRow], file: Path) -> list[str]:
    """Returns the place of each sample.

    Raises:
        ValueError: naming the file and the sample, if its item is not one of the benchmark.
    """
    for row in rows:
        try:
            names = [benchmark.place(row.item, row.repeat), *benchmark.companion_files(row.item)]
            names += [source for source in [benchmark.source(row.item)] if source]
            benchmark.promised(row.item)
            benchmark.groups(row.item, {})
            for name in names:
                inside_name(name)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{file}: the `item` of sample {row.index} is not this benchmark's ({error}). Use "
                "another copy of the run."
            ) from error
    return places(benchmark, ((row.item, row.repeat) for row in rows))
