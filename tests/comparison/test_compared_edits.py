"""Edits in a comparison: the page shows the images to edit next to the results."""

import json

import pytest
from PIL import Image
from tiny_pipelines import flux_images


@pytest.fixture
def words(tmp_path):
    """Returns overrides: a tiny model that edits, and two pictures with instructions."""
    flux_images.kontext().save_pretrained(tmp_path / "model")
    Image.new("RGB", (16, 24), "red").save(tmp_path / "red.png")
    rows = [{"prompt": "make it green", "image": "red.png"}, {"prompt": "a cat"}]
    rows += [{"prompt": "make it bluer", "image": "red.png"}]
    (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    size = ("height=16", "width=16", "max_area=256", "auto_resize=false", "max_sequence_length=16")
    return (
        "model=flux_kontext",
        f"model.path={tmp_path / 'model'}",
        *(f"model.{setting}" for setting in size),
        f"prompts={tmp_path / 'prompts.jsonl'}",
        "methods=[euler,uniform]",
        "targets=[6]",
        "steps=10",
        "samples=2",
        "tuning=1",
        "converged_steps=0",
        "pairs=0",
    )


def test_the_page_shows_sources_and_instructions_with_the_results(compare, words):
    done = compare(*words)
    assert done.status == 0, done.err
    kept = sorted(file.name for file in (done.path / "images").iterdir())
    assert [name for name in kept if name.startswith("source")] == ["source-0000.png"]
    page = (done.path / "report.html").read_text()
    assert "to edit" in page
    assert "<li>make it green</li><li>a cat</li>" in page


def test_the_change_of_the_velocity_is_kept(done):
    changes = json.loads((done.path / "references.json").read_text())["velocity_change"]
    assert len(changes) == 19
    assert all(change > 0 for change in changes)
