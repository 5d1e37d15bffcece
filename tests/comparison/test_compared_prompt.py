"""A comparison's prompt is any text, also after resuming it."""

import html
import json

from fastflow.cli import main
from fastflow.registry import load


def test_a_comparison_keeps_its_prompt_as_it_was_given(compare, monkeypatch):
    monkeypatch.setenv("SECRET", "hush")
    prompt = "${oc.env:SECRET}, a 'cat: {{ x }} [1] \\\\ 猫"
    words = ["methods=[uniform]", "targets=[12]", f"prompt={prompt}"]
    done = compare(*words, out="a, ${b} = [c]")
    assert done.status == 0
    assert load(done.path / "config.yaml")["prompt"] == prompt
    for row in (done.path / "rows").iterdir():
        row.unlink()
    assert compare(f"resume={done.path}").status == 0
    assert main(["report", str(done.path)]) == 0
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert prompt in html.unescape(page)
    written = [path.read_text() for path in done.path.glob("*.json")]
    assert any(json.dumps(prompt) in text for text in written)
    assert not any("hush" in text for text in (page, *written))
