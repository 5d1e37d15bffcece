"""Images to edit: from the command line and files to the model, the run and its report."""

import json

import pytest
from PIL import Image
from tiny_pipelines import flux_images

from fastflow.runs import directory
from fastflow.runs.prompts import make_requests, read_image, read_prompts
from fastflow.runs.run_settings import RunSettings
from fastflow.sampling import Prompt
from fastflow_plugins.models.flux_kontext import FluxKontext

HINT = " A benchmark's own file needs benchmark=NAME."
SIZE = {"height": 16, "width": 16, "max_area": 256, "auto_resize": "false"}


@pytest.fixture(scope="module")
def kontext(tmp_path_factory):
    """Returns overrides that choose a tiny model that edits."""
    folder = tmp_path_factory.mktemp("kontext")
    flux_images.kontext().save_pretrained(folder)
    options = {"path": folder, "max_sequence_length": 16} | SIZE
    settings = [f"model.{name}={value}" for name, value in options.items()]
    return ["model=flux_kontext", *settings, "steps=10", "policy=every", "metrics=[]"]


@pytest.fixture
def photos(tmp_path):
    """Returns a folder with two pictures and a file of prompts about them."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (16, 24), "red").save(tmp_path / "photos/red.png")
    Image.new("RGB", (24, 16), "blue").save(tmp_path / "photos/blue.png")
    rows = [
        {"prompt": "make it green", "image": "photos/red.png", "task": "colour"},
        {"prompt": "a cat"},
        {"prompt": "add a dog", "image": "photos/blue.png"},
    ]
    lines = "\n\n".join(json.dumps(row) for row in rows)
    (tmp_path / "prompts.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def _sources(done):
    """Returns the sizes of the source images that a run kept, by sample."""
    rows = sorted(done.lines("samples.jsonl"), key=lambda row: row["index"])
    names = [row["image_source"] for row in rows]
    return [read_image(done.path / name).size if name else None for name in names]


def test_a_run_keeps_its_source_images_and_the_report_shows_them(sample, kontext, photos):
    done = sample(*kontext, f"prompts={photos / 'prompts.jsonl'}", "samples=3")
    assert done.status == 0
    assert _sources(done) == [(16, 24), None, (24, 16)]
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert page.count('data-side="source"') == 2
    assert page.count('data-side="reference"') == page.count('data-side="skipped"') == 3


def _requests(**settings):
    requests = make_requests(RunSettings(**settings), FluxKontext())
    return [(r.prompt, r.task, r.image and r.image.size) for r in requests]


def test_every_prompt_of_a_file_has_its_own_image(photos):
    assert _requests(prompts=str(photos / "prompts.jsonl"), samples=4) == [
        ("make it green", "colour", (16, 24)),
        ("a cat", "", None),
        ("add a dog", "", (24, 16)),
        ("make it green", "colour", (16, 24)),
    ]


def test_one_image_is_used_for_all_prompts_without_one(photos):
    image = str(photos / "photos/red.png")
    assert _requests(image=image, prompt="a", samples=2) == [("a", "", (16, 24))] * 2
    found = _requests(image=image, prompts=str(photos / "prompts.jsonl"))
    assert [size for _, _, size in found] == [(16, 24), (16, 24), (24, 16)]


def test_a_resumed_run_reads_its_images_again(sample, kontext, photos, monkeypatch):
    words = [*kontext, f"prompts={photos / 'prompts.jsonl'}", "samples=3", "max_batch=1"]
    whole = sample(*words, out="whole")
    plain = directory.RunWriter.sample

    def interrupts(self, done, reference, row, rewards):
        if row.index == 1:
            raise KeyboardInterrupt
        plain(self, done, reference, row, rewards)

    monkeypatch.setattr(directory.RunWriter, "sample", interrupts)
    stopped = sample(*words, out="stopped")
    assert stopped.status == 130
    monkeypatch.setattr(directory.RunWriter, "sample", plain)
    resumed = sample(f"resume={stopped.path}", out="stopped")
    assert resumed.status == 0
    assert _sources(resumed) == _sources(whole)
    for image in sorted((whole.path / "images").iterdir()):
        assert (resumed.path / "images" / image.name).read_bytes() == image.read_bytes()


def test_a_model_that_does_not_take_images_refuses_them(sample, photos):
    done = sample(f"prompts={photos / 'prompts.jsonl'}")
    assert done.status == 2
    assert done.err == (
        "fastflow sample: there is an `image` to edit, but Mixture does not take images. Leave "
        "it out, or choose a model that edits, such as model=flux_kontext_dev.\n"
    )
    assert not done.path.exists()


def test_a_model_without_prompts_of_its_own_asks_for_some(sample, kontext):
    assert "this model has no prompts of its own: give `prompt" in sample(*kontext).err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("make it green", " is not JSON from character 1 on, at 'make it green'."),
        ('"a"', ' must hold an object, got "a".'),
        (
            '{"prompt": 3}',
            ' must be like {"prompt": "...", "image": "..."}, got {"prompt": 3}.' + HINT,
        ),
        ('{"text": "a"}', " may have the fields prompt, image, task, got text." + HINT),
        ('{"image": "a.png"}', " has no `prompt`. Say what to generate."),
        ('{"prompt": " "}', " has no `prompt`. Say what to generate."),
    ],
)
def test_a_line_that_is_not_a_prompt_is_named(tmp_path, line, message):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "a"}\n\n' + line)
    with pytest.raises(ValueError, match="`prompts`") as error:
        read_prompts(file)
    assert str(error.value) == f"`prompts` {str(file)!r}, line 3,{message}"


def test_a_missing_or_unreadable_image_is_named(tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "a", "image": "a.png"}')
    with pytest.raises(ValueError, match="`image`") as error:
        read_prompts(file)
    assert str(error.value) == (
        f"`image` {str(tmp_path / 'a.png')!r} does not exist. Give a PNG, JPEG or WebP file."
    )
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ValueError, match="cannot be read: it is damaged, or is no PNG"):
        read_prompts(file)


def test_every_line_of_a_text_file_is_a_prompt(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text('{"prompt": "a"}\n')
    assert read_prompts(file) == [Prompt('{"prompt": "a"}')]


def test_a_photo_is_turned_upright_and_converted_to_rgb(tmp_path):
    photo = Image.new("RGB", (30, 20), "red")
    exif = photo.getexif()
    exif[0x0112] = 6  # the camera was held upright
    photo.save(tmp_path / "photo.jpg", exif=exif)
    photo.convert("RGBA").save(tmp_path / "photo.png")
    assert read_image(tmp_path / "photo.jpg").size == (20, 30)
    assert read_image(tmp_path / "photo.png").mode == "RGB"
