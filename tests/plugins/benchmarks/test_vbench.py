"""VBench: its prompts, its results, its weights, and a run of tiny videos there and back."""

import json
from pathlib import Path

import pytest
from tiny_pipelines import hunyuan_video

from fastflow.cli import main
from fastflow_plugins.benchmarks.vbench import DIMENSIONS, QUALITY, SEMANTIC, VBench

PROMPTS = Path(__file__).parents[2] / "data" / "benchmarks" / "VBench_full_info.json"


def test_a_prompt_that_stands_there_twice_is_drawn_once_for_all_its_dimensions():
    prompts = {prompt.text: prompt for prompt in VBench().read(PROMPTS)}
    assert {text: prompt.task for text, prompt in prompts.items()} == {
        "a kite over the sea": "subject_consistency",
        "a green vase": "color",
        "a boat, oil painting": "appearance_style",
    }
    item = prompts["a boat, oil painting"].item
    assert item["dimension"] == ["appearance_style", "temporal_style"]
    assert VBench().place(item, 4) == "a boat, oil painting-4.mp4"


def test_only_the_prompts_of_some_dimensions_can_be_drawn():
    prompts = VBench(dimensions=("motion_smoothness", "color")).read(PROMPTS)
    assert [prompt.text for prompt in prompts] == ["a kite over the sea", "a green vase"]
    with pytest.raises(ValueError, match="has no prompt of these `dimensions`"):
        VBench(dimensions=("scene",)).read(PROMPTS)
    with pytest.raises(ValueError, match=r"`dimensions` must be of subject_.*, got colour\."):
        VBench(dimensions=("colour",))


def test_totals_are_normalised_and_weighted_as_published():
    means = {name: 0.3 + 0.04 * i for i, name in enumerate(DIMENSIONS)}

    def published(dimensions):
        scaled = [w * (means[d] - low) / (high - low) for d, (w, low, high) in dimensions.items()]
        return sum(scaled) / sum(weight for weight, _, _ in dimensions.values())

    quality, semantic = published(QUALITY), published(SEMANTIC)
    found = {
        total.name: total.constant + sum(w * means[d] for d, w in total.weights.items())
        for total in VBench().totals(list(DIMENSIONS))
    }
    assert found == pytest.approx(
        {"quality": quality, "semantic": semantic, "total": (4 * quality + semantic) / 5}
    )
    assert [total.name for total in VBench().totals(list(QUALITY))] == ["quality"]
    assert VBench().totals(["color"]) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"prompt_en": "a"}, "must hold a list of prompts. Give VBench's VBench_full_info.json."),
        ([{"prompt": "a"}], "an entry needs `prompt_en` and `dimension`, got {'prompt': 'a'}."),
        ([3], "an entry needs `prompt_en` and `dimension`, got 3."),
    ],
)
def test_another_file_of_prompts_is_refused(tmp_path, content, message):
    file = tmp_path / "info.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="`prompts`") as error:
        VBench().read(file)
    assert str(error.value).endswith(message)


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    file = tmp_path / "info.json"
    file.write_text(PROMPTS.read_text(encoding="utf-8")[:100])
    with pytest.raises(ValueError, match="is not JSON"):
        VBench().read(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must hold an object of dimensions."),
        ({"beauty": [0.5, []]}, "`beauty`, is not a dimension of VBench."),
        (
            {"color": 0.5},
            "`color`, must be a mean and a list of `video_path` and `video_results`.",
        ),
        ({"color": [0.5, [{"video": "a.mp4"}]]}, "`color`, must be a mean and a list of"),
    ],
)
def test_other_results_are_refused(tmp_path, content, message):
    file = tmp_path / "a_eval_results.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="results") as error:
        list(VBench().scores(file))
    assert message in str(error.value)


def test_videos_that_the_static_filter_renamed_are_refused(tmp_path):
    file = tmp_path / "a_eval_results.json"
    video = {"video_path": "filtered_videos/a kite-0.mp4", "video_results": 0.9}
    file.write_text(json.dumps({"temporal_flickering": [0.9, [video]]}))
    with pytest.raises(ValueError, match="renumbered by the static filter"):
        list(VBench().scores(file))


def results(out, side, values):
    """Writes what VBench would about an export: one file for each dimension."""
    folder = out / f"results_{side}"
    folder.mkdir()
    for dimension, own in values.items():
        videos = [
            {"video_path": f"{out / side}/{name}.mp4", "video_results": value}
            for name, value in own.items()
        ]
        content = {dimension: [0.0, videos]}
        (folder / f"{dimension}_eval_results.json").write_text(json.dumps(content))
    return folder


def test_videos_go_out_and_their_scores_come_back(tmp_path, capsys):
    hunyuan_video.pipeline().save_pretrained(tmp_path / "tiny")
    options = {"path": tmp_path / "tiny", "frames": 5, "height": 16, "width": 16, "fps": 8}
    options |= {"max_sequence_length": 16, "prompt_template": '"video: {}"'}
    run, out = tmp_path / "run", tmp_path / "out"
    words = ["model=hunyuan_video", *(f"model.{name}={v}" for name, v in options.items())]
    words += ["executor=inline", "policy=every", "steps=8", "metrics=[]", f"out={run}"]
    own = ["benchmark=vbench", f"prompts={PROMPTS}", "benchmark.dimensions=[color,dynamic_degree]"]
    assert main(["sample", *words, *own, "benchmark.repeats=2"]) == 0
    assert main(["export", str(run), f"out={out}"]) == 0
    names = [f"{text}-{r}" for text in ("a green vase", "a kite over the sea") for r in (0, 1)]
    assert sorted(path.name for path in (out / "full").iterdir()) == [f"{n}.mp4" for n in names]
    full = {"color": {names[0]: 0.5}, "dynamic_degree": {names[2]: True, names[3]: True}}
    skipped = {
        "color": {names[0]: 0.25, names[1]: 1.0},  # no vase was seen in the other full video
        "dynamic_degree": {names[2]: True, names[3]: False},
    }
    files = [
        f"{side}={results(out, side, v)}" for side, v in (("full", full), ("skipped", skipped))
    ]
    capsys.readouterr()
    assert main(["import-scores", str(run), *files]) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:5] for line in printed[1:3]] == [
        ["dynamic_degree", "2", "1.0000", "0.5000", "-0.5000"],
        ["color", "2", "0.5000", "0.6250", "-0.2500"],  # of the one pair
    ]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["dynamic_degree"] == 0.5
    assert "score" not in summary
