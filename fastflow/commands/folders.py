"""Commands that list what is installed, or read and rewrite directories of earlier runs."""

from __future__ import annotations

from pathlib import Path

from fastflow.words import flag, one_path, path_and_options, paths_and_options


def list_plugins(words: list[str]) -> None:
    """Lists the installed components; with the parameters, those of some kinds."""
    from dataclasses import MISSING, fields

    from fastflow.registry.catalog import installed
    from fastflow.registry.hooks import KINDS

    for word in words:
        if word not in KINDS:
            raise ValueError(f"there is no kind {word!r}. Kinds: {', '.join(KINDS)}.")
    for kind in words or KINDS:
        print(kind)
        for entry in installed().entries:
            if entry.kind == kind:
                print(f"  {entry.name:<16} {entry.line}  [{entry.plugin}]")
                for f in fields(entry.component) if words else ():
                    default = "required" if f.default is MISSING else repr(f.default)
                    print(f"      {f.name} = {default}")


def rewrite_report(words: list[str]) -> None:
    """Writes the page of a run, or of a comparison, again."""
    from fastflow.report import write_report
    from fastflow.report.load import check_run_dir
    from fastflow.runs.resuming.lock import locked

    path = one_path(words, "report RUN_DIR")
    if (path / "rows").is_dir():
        from fastflow.comparison.compare import rewrite

        print(rewrite(path))
        return
    check_run_dir(path)
    with locked(path, "report"):
        print(write_report(path))


def pool_comparisons(words: list[str]) -> None:
    """Puts comparisons with different seeds in one table."""
    from fastflow.comparison.pooling.pool import pool

    usage = "pool DIR ... out=FOLDER"
    paths, options = paths_and_options(words, usage, ("out",))
    if not paths or "out" not in options:
        raise ValueError(f"usage: fastflow {usage}, with comparisons of two or more seeds in all")
    path = pool([Path(word) for word in paths], Path(options["out"]))
    print((path / "table.md").read_text(encoding="utf-8"))
    print(path)


def study_runs(words: list[str]) -> None:
    """Makes a table, a page and figures of runs, sweeps and comparisons."""
    from fastflow.registry import build
    from fastflow.studies import study

    usage = "study DIR ... [out=FOLDER] [wandb=GROUP]"
    paths, options = paths_and_options(words, usage, ("out", "wandb"))
    if not paths:
        raise ValueError(f"usage: fastflow {usage}")
    group = options.get("wandb")
    observer = build("observer", {"component": "wandb", "group": group}) if group else None
    print(study(paths, options.get("out"), observer).headline())


def print_memory(words: list[str]) -> None:
    """Prints what a policy has learned."""
    from fastflow.sampling.storage import read_summary

    path = one_path(words, "memory RUN_DIR|FILE")
    print(read_summary(path / "memory.json" if path.is_dir() else path))


def export_outputs(words: list[str]) -> None:
    """Writes a benchmark's outputs in the layout of its scorer."""
    from fastflow.runs.official.benchmark_run import BenchmarkRun
    from fastflow.runs.official.export import export

    usage = "export RUN_DIR out=FOLDER"
    path, options = path_and_options(words, usage, ("out",))
    if "out" not in options:
        raise ValueError(f"`out` is missing. Usage: fastflow {usage}")
    run, out = BenchmarkRun.open(path), Path(options["out"])
    for side, count in export(run, out).items():
        print(f"{count:>5} samples   {out / side}")


def add_scores(words: list[str]) -> None:
    """Adds a scorer's results to a run."""
    from fastflow.evaluation.benchmark_scores import as_text
    from fastflow.evaluation.measurement import SIDES
    from fastflow.runs.official.benchmark_run import BenchmarkRun
    from fastflow.runs.official.import_scores import take_scores
    from fastflow.runs.resuming.lock import locked

    usage = "import-scores RUN_DIR skipped=FILE full=FILE [replace=true] [partial=true]"
    path, options = path_and_options(words, usage, (*SIDES, "replace", "partial"))
    files = {side: Path(options[side]) for side in SIDES if side in options}
    if not files:
        raise ValueError(f"the scorer's files are missing. Usage: fastflow {usage}")
    flags = {name: flag(name, options) for name in ("replace", "partial")}
    BenchmarkRun.open(path)  # refuses what is no run before it is held
    with locked(path, "import-scores"):
        print(as_text(take_scores(BenchmarkRun.open(path), files, **flags)))
    print(f"report    {path / 'report.html'}\n{path}")
