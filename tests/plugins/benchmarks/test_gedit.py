"""GEdit-Bench: its dataset in every form, its scores, and a run of tiny edits there and back."""

import csv
import io
import itertools
import json
import sys

import pytest
from PIL import Image
from tiny_pipelines import flux_images

from fastflow.cli import main
from fastflow.evaluation.benchmark import places
from fastflow.runs.prompts import make_requests
from fastflow.runs.run_settings import RunSettings
from fastflow_plugins.benchmarks.gedit import GEdit
from fastflow_plugins.models.flux_kontext import FluxKontext

COLUMNS = ["source_image", "edited_image", "instruction", "sementics_score", "quality_score"]
COLUMNS += ["intersection_exist", "instruction_language"]
ROWS = [
    ("k1", "style_change", "Make it a sketch.", "en", "red"),
    ("k2", "style_change", "变成素描", "cn", "red"),
    ("k3", "subject-add", "Add a boat.", "en", "blue"),
    ("k4", "subject-add", "Add a kite.", "en", "green"),
]


def row(key, task, instruction, language, colour):
    """Returns a row of the dataset, its picture as bytes."""
    picture = io.BytesIO()
    Image.new("RGB", (16, 24), colour).save(picture, "PNG")
    texts = {"key": key, "task_type": task, "instruction": instruction}
    return texts | {
        "instruction_language": language,
        "input_image": {"bytes": picture.getvalue(), "path": f"{key}.png"},
        "Intersection_exist": True,
    }


@pytest.fixture
def plain(tmp_path):
    """Writes the dataset as JSON lines, with pictures next to them."""
    lines = []
    for one in map(row, *zip(*ROWS, strict=True)):
        picture = one["input_image"]
        (tmp_path / picture["path"]).write_bytes(picture["bytes"])
        lines.append(json.dumps(one | {"input_image": picture["path"]}, ensure_ascii=False))
    (tmp_path / "gedit.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "gedit.jsonl"


def contents_of(prompts):
    return [(p.text, p.task, p.image.getpixel((0, 0)), p.item["key"]) for p in prompts]


ENGLISH = [
    ("Make it a sketch.", "style_change", (255, 0, 0), "k1"),
    ("Add a boat.", "subject-add", (0, 0, 255), "k3"),
    ("Add a kite.", "subject-add", (0, 128, 0), "k4"),
]


def test_the_instructions_of_one_language_are_drawn(plain):
    assert contents_of(GEdit().read(plain)) == ENGLISH
    (chinese,) = GEdit(language="cn").read(plain)
    assert GEdit().place(chinese.item, 0) == "fullset/style_change/cn/k2.png"
    assert GEdit().source(chinese.item) == "fullset/style_change/cn/k2_SRCIMG.png"


@pytest.mark.parametrize("name", ["data.parquet", "data-00000-of-00001.arrow"])
def test_the_dataset_is_read_as_it_is_published(tmp_path, name):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install pyarrow")
    from pyarrow import ipc, parquet

    table = pa.Table.from_pylist(list(map(row, *zip(*ROWS, strict=True))))
    if name.endswith(".parquet"):
        parquet.write_table(table, tmp_path / name)
    else:
        with ipc.new_stream(str(tmp_path / name), table.schema) as file:
            file.write_table(table)
    assert (
        contents_of(GEdit().read(tmp_path))
        == contents_of(GEdit().read(tmp_path / name))
        == ENGLISH
    )


def test_a_damaged_dataset_is_named(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install pyarrow")
    for name, content in itertools.product(("a.parquet", "a.arrow"), (b"", b"something else")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}' cannot be read"):
            GEdit().read(tmp_path / name)


def test_without_pyarrow_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = tmp_path / "a.parquet"
    file.touch()
    with pytest.raises(ValueError, match="pyarrow") as error:
        GEdit().read(file)
    assert str(error.value) == (
        f"`prompts` {str(file)!r} needs pyarrow to be read: pip install pyarrow."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"key": "a"}',
            "line 1, has no `task_type` and no `instruction` and no `instruction_lan",
        ),
        ('{"key": ', "line 1, is not JSON"),
        ("", "has no instruction in 'en'. Choose another `benchmark.language`."),
    ],
)
def test_another_file_of_prompts_is_refused(tmp_path, text, message):
    file = tmp_path / "gedit.jsonl"
    file.write_text(text)
    with pytest.raises(ValueError, match="`prompts`") as error:
        GEdit().read(file)
    assert message in str(error.value)


def test_what_is_no_dataset_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.parquet", tmp_path / "prompts.txt"):
        with pytest.raises(ValueError, match=r"is not a dataset\. Give the dataset's folder"):
            GEdit().read(path)


def test_one_image_of_an_instruction_is_all_there_is_room_for():
    with pytest.raises(ValueError, match="`repeats` must be 1, got 2: GEdit's folders have room"):
        GEdit(repeats=2)
    with pytest.raises(ValueError, match="`language` must be en or cn, got 'zh'"):
        GEdit(language="zh")


def test_more_samples_than_there_is_room_for_are_refused(plain):
    settings = RunSettings(prompts=str(plain), samples=4)
    with pytest.raises(ValueError, match="2 samples would be one file, 'fullset/style_change/en/"):
        make_requests(settings, FluxKontext(), GEdit())


def test_no_sample_goes_outside_of_its_folder():
    item = {"task_type": "..", "instruction_language": "..", "key": "../k"}
    with pytest.raises(ValueError, match="a sample cannot be the file 'fullset/"):
        places(GEdit(), [(item, 0)])


def score_files(folder, out, side, scores):
    """Writes what GEdit's scorer would about an export, one file for each task."""
    folder.mkdir(parents=True)
    for task in {task for _, task, _, _, _ in ROWS}:
        with (folder / f"{side}_{task}_gpt_score.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for key, own, instruction, language, _ in ROWS:
                place = f"{out}/{side}/fullset/{own}/{language}/{key}"
                line = [f"{place}_SRCIMG.png", f"{place}.png", instruction, *scores[key]]
                if own == task:
                    writer.writerow([*line, "True", language])
    return folder


def test_marks_that_are_none_are_refused_by_their_line(tmp_path):
    file = score_files(tmp_path / "a", tmp_path, "full", {key: (9, "?") for key, *_ in ROWS})
    with pytest.raises(ValueError, match=r"style_change_gpt_score.csv', line 2, has a score that"):
        list(GEdit().scores(file))
    (tmp_path / "b.csv").write_text("prompt,score\na,1\n")
    with pytest.raises(ValueError, match="have no column edited_image, instruction, instruction_"):
        list(GEdit().scores(tmp_path / "b.csv"))
    (tmp_path / "c.csv").write_text(",".join(COLUMNS) + "\na,b,c,9\n")
    with pytest.raises(ValueError, match="line 2, was cut off"):
        list(GEdit().scores(tmp_path / "c.csv"))
    with pytest.raises(ValueError, match=r"does not exist. Give a \.\.\._gpt_score.csv that"):
        list(GEdit().scores(tmp_path / "nowhere.csv"))


def test_edits_go_out_and_their_marks_come_back(plain, tmp_path, capsys):
    flux_images.kontext().save_pretrained(tmp_path / "tiny")
    options = {"path": tmp_path / "tiny", "max_sequence_length": 16, "height": 16, "width": 16}
    options |= {"max_area": 256, "auto_resize": "false"}
    run, out = tmp_path / "run", tmp_path / "out"
    words = ["model=flux_kontext", *(f"model.{name}={v}" for name, v in options.items())]
    words += ["executor=inline", "policy=every", "steps=8", "metrics=[]", f"out={run}"]
    assert main(["sample", *words, "benchmark=gedit", f"prompts={plain}"]) == 0
    assert main(["export", str(run), f"out={out}"]) == 0
    source = out / "skipped/fullset/subject-add/en/k3_SRCIMG.png"
    with Image.open(source) as picture:
        assert (picture.size, picture.getpixel((0, 0))) == ((16, 24), (0, 0, 255))
    assert len(list((out / "full").rglob("*.png"))) == 6
    scores = {key: (9, 4) for key, *_ in ROWS}
    full = score_files(tmp_path / "scores/full", out, "full", scores)
    skipped = score_files(tmp_path / "scores/skipped", out, "skipped", scores | {"k1": (4, 4)})
    capsys.readouterr()
    assert main(["import-scores", str(run), f"full={full}", f"skipped={skipped}"]) == 0
    printed = [line.split()[:4] for line in capsys.readouterr().out.splitlines()]
    assert printed[1:4] == [
        ["overall", "3", "6.0000", "5.0000"],
        ["semantics", "3", "9.0000", "6.5000"],
        ["quality", "3", "4.0000", "4.0000"],
    ]
    assert json.loads((run / "summary.json").read_text())["semantics"] == pytest.approx(22 / 3)
