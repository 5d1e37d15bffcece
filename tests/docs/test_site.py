"""The site builds, every link works, and no page loads anything from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install '.[docs]'")
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", target],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_the_site_has_a_page_for_every_source(site):
    sources = [p.relative_to(ROOT / "docs") for p in (ROOT / "docs").rglob("*.md")]
    pages = [p.with_suffix("") if p.stem != "index" else p.parent for p in sources]
    assert all((site / page / "index.html").is_file() for page in pages)


def test_no_page_loads_anything_from_elsewhere(site):
    loads = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="?(https?:[^">]+)')
    found = {url for page in site.rglob("*.html") for url in loads.findall(page.read_text())}
    assert not found
