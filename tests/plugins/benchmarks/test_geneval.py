"""GenEval's prompts, and files that are refused."""

import pytest

from fastflow_plugins.benchmarks.geneval import GenEval

LINE = '{"tag": "colors", "include": [], "prompt": "a photo of a red boat"}'


def test_a_prompt_keeps_its_line_and_its_task(tmp_path):
    file = tmp_path / "evaluation_metadata.jsonl"
    file.write_text(f"{LINE}\n\n{LINE.replace('red', 'blue')}\n")
    first, second = GenEval().read(file)
    assert (first.text, first.task) == ("a photo of a red boat", "colors")
    assert second.item["metadata"] == {
        "tag": "colors",
        "include": [],
        "prompt": "a photo of a blue boat",
    }
    assert GenEval().place(second.item, 3) == "00001/samples/0003.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{LINE}\n{LINE[:40]}", ", line 2, is not JSON: it is empty or cut off"),
        (
            '{"prompt": "a"}',
            ", line 1, is not a line of GenEval's evaluation_metadata.jsonl: it needs `tag`, "
            "`include` and `prompt`, got prompt.",
        ),
        ("\n", " is empty. Give GenEval's evaluation_metadata.jsonl."),
    ],
)
def test_another_file_is_refused(tmp_path, text, message):
    file = tmp_path / "prompts.jsonl"
    file.write_text(text)
    with pytest.raises(ValueError, match="`prompts`") as error:
        GenEval().read(file)
    assert str(error.value).startswith(f"`prompts` {str(file)!r}{message}")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    file = tmp_path / "image.png"
    file.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        GenEval().read(file)
