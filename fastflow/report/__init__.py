"""The report of a run: one page, readable offline, on what skipping gained and what it cost."""

from __future__ import annotations

from pathlib import Path

from fastflow.sampling.storage import write_whole

__all__ = ["write_report"]


def write_report(run_dir: Path) -> Path:
    """Writes ``report.html`` into a run directory, from the files in it alone.

    Args:
        run_dir: a directory that ``fastflow sample`` wrote, or is still writing.

    Returns:
        The path of the page; an earlier page is replaced.

    Raises:
        ValueError: if `run_dir` is not a run directory, or one of its files cannot be read.
    """
    # Imported here, so that importing this package does not load the plotting library.
    from fastflow.report.load import load_run
    from fastflow.report.render import render

    run = load_run(Path(run_dir))
    path = run.path / "report.html"
    write_whole(path, render(run))
    return path
