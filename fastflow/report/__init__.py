"""The report of a run: one page that opens without a network and says what skipping was worth."""

from __future__ import annotations

from pathlib import Path

from fastflow.sampling.storage import write_whole

__all__ = ["write_report"]


def write_report(run_dir: Path) -> Path:
    """Writes ``report.html`` into a run directory, from the files in it and nothing else.

    Args:
        run_dir: a directory that ``fastflow sample`` wrote, or is still writing.

    Returns:
        The path of the page. An earlier page is replaced.

    Raises:
        ValueError: If `run_dir` is not a run directory, or one of its files cannot be read.
    """
    # Imported here, so that the bootstrap intervals of a run do not cost a plotting library.
    from fastflow.report.load import load_run
    from fastflow.report.render import render

    run = load_run(Path(run_dir))
    path = run.path / "report.html"
    write_whole(path, render(run))
    return path
