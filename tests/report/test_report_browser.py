"""The page in a real browser: headings and figures are there, without script errors."""

import subprocess

import numpy as np
import pytest
from browser import find_browser
from PIL import Image

from fastflow.report import write_report

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason="the report in a browser: no browser was found (make browser, or set FASTFLOW_BROWSER)",
)
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
]


def browse(page, tmp_path, *flags):
    """Opens a page with a fresh profile; returns the finished process."""
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [BROWSER, *QUIET, profile, *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture
def page(make_run):
    return write_report(make_run(samples=14, failing=(3,), prompts=("<script>alert(1)</script>",)))


def test_a_browser_shows_headings_and_figures_without_an_error(page, tmp_path):
    shown = browse(page, tmp_path, "--dump-dom")
    assert "CONSOLE" not in shown.stderr, shown.stderr
    assert 'data-ready="yes"' in shown.stdout
    for heading in ("Images", "Skipping", "Learning", "Scores and time", "What went wrong"):
        assert f">{heading}</h2>" in shown.stdout
    assert shown.stdout.count("<svg") == 8


@pytest.mark.parametrize("dark", [False, True])
def test_a_screenshot_is_not_blank_and_follows_the_colour_scheme(page, tmp_path, dark):
    picture = tmp_path / "page.png"
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    browse(page, tmp_path, f"--screenshot={picture}", "--window-size=1200,6000", *scheme)
    grey = np.asarray(Image.open(picture).convert("L"))
    assert (np.median(grey) < 60) == dark
    bands = np.array_split(grey[:4800], 6)
    assert all(band.std() > 5 for band in bands)
