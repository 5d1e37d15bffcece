"""Renders the page: everything on it is in one file, and nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import time
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from fastflow.evaluation.summary import LAST
from fastflow.report import figures
from fastflow.report.gallery import gallery, psnr_text, scores_as_text, worst
from fastflow.report.key_figures import measures, run_title, tiles
from fastflow.report.learned import arms, read_arms
from fastflow.report.load import RunContent
from fastflow.report.narrative import sentences
from fastflow.report.scores import mean_times, official, task_scores, tasks, times

HTML = Path(__file__).parent / "html"


def render(run: RunContent) -> str:
    """Returns a run's page as HTML.

    Args:
        run: the content of the run directory, as `load_run` returns it.
    """
    script = (HTML / "page.js").read_text(encoding="utf-8")
    return template(HTML).render(
        run=run,
        title=run_title(run),
        tiles=tiles(run),
        sentences=sentences(run),
        measures=measures(run),
        last=LAST,
        gallery=gallery(run),
        decisions=figures.decisions(run),
        curves=_present(
            figures.calls(run),
            figures.fidelity(run),
            figures.skip_lengths(run),
            figures.velocity_changes(run),
        ),
        arms=arms(run),
        table=read_arms(run.memory),
        decided=_decided(run),
        score_charts=_present(tasks(run), times(run)),
        tasks=_tasks(run),
        official=official(run),
        times=mean_times(run),
        worst=worst(run, 8),
        worse=[entry for entry in run.good if entry.is_worse],
        failed=[entry for entry in run.entries if entry.failure],
        score_text=scores_as_text(run),
        psnr_text=psnr_text,
        css=style_sheet(),
        script=Markup(script),
        policy=content_policy(script),
        written=time.strftime("%Y-%m-%d %H:%M"),
    )


def _present(*charts: figures.Chart | None) -> list[figures.Chart]:
    return [chart for chart in charts if chart is not None]


def _tasks(run: RunContent) -> list[tuple[str, float | None, float, int]]:
    """Returns each task with its reference score, its score with skipping and its samples."""
    names = sorted({entry.task for entry in run.good if entry.score is not None})
    return [(name, *task_scores(run, name)) for name in names]


def _decided(run: RunContent) -> dict[str, int]:
    """Counts the decisions, the random ones among them, and the other observations."""
    taken = [record for record in run.records if record.get("taken")]
    random = sum((record.get("propensity") or 1.0) < 1.0 for record in taken)
    return {"taken": len(taken), "random": random, "others": len(run.records) - len(taken)}


def template(folder: Path) -> Template:
    """Returns the page template in a folder."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def style_sheet() -> Markup:
    """Returns the style sheet of all pages."""
    return Markup((HTML / "page.css").read_text(encoding="utf-8"))


def content_policy(script: str = "") -> str:
    """Returns a Content-Security-Policy that allows the page's own script and data URIs only."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    scripts = f"; script-src 'sha256-{digest}'" if script else ""
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'{scripts}"
