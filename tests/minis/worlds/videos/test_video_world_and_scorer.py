"""The world of videos: captions, combinations, rendering and scores."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastflow import Request, Video
from fastflow_minis.worlds.drawing import IMAGE_SIDE, Scene, SceneObject, render_scene
from fastflow_minis.worlds.videos.video_language import (
    DIRECTIONS,
    SPEEDS,
    VIDEO_TASKS,
    Motion,
    parse_motion,
    video_captions,
    words_of_videos,
)
from fastflow_minis.worlds.videos.video_scorer import VideoScores, score_video
from fastflow_minis.worlds.videos.video_world import (
    FRAMES,
    MovingObject,
    held_out_motions,
    is_held_out_video,
    render_video,
    training_video,
    video_combinations,
    video_of,
)
from fastflow_plugins.metrics.videos import Videos

COUNT = 96
CAPTION = "a video of a red circle moving right quickly"
FULL = {"object": 1.0, "colour": 1.0, "direction": 1.0, "speed": 1.0, "background": 1.0}


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return [training_video(rng) for _ in range(1_000)]


@pytest.fixture(scope="module")
def rendered():
    """Captions with fresh videos, half of training's combinations and half of held-out ones."""
    rng = np.random.default_rng(11)
    drawn_videos = [training_video(rng) for _ in range(COUNT // 2)]
    drawn_videos += [(video_of(asked, rng), asked) for asked in held_out_motions(COUNT // 2)]
    return [(asked, render_video(moving)) for moving, asked in drawn_videos]


def _combination(asked):
    return asked.colour, asked.shape, asked.direction, asked.speed


def test_held_out_combinations_never_occur_in_training(drawn):
    assert not any(is_held_out_video(*_combination(asked)) for _, asked in drawn)


def test_held_out_captions_are_distinct_balanced_and_the_same_every_time():
    asked = held_out_motions(960)
    assert len({one.text for one in asked}) == 960
    assert [sum(one.task == task for one in asked) for task in VIDEO_TASKS] == [120] * 8
    assert all(is_held_out_video(*_combination(one)) for one in asked)
    assert asked[:60] == held_out_motions(60)
    assert asked != held_out_motions(960, seed=1)
    with pytest.raises(ValueError, match="`count` must be from 0 to 960, got 961: there are no"):
        held_out_motions(961)


def test_a_fifth_is_held_out_and_any_three_words_are_seen_in_training():
    verdicts = {c: is_held_out_video(*c) for c in video_combinations()}
    assert sum(verdicts.values()) == len(verdicts) / 5
    for missing in range(4):
        parts = [{c[:missing] + c[missing + 1 :] for c, v in verdicts.items() if v == held}
                 for held in (True, False)]  # fmt: skip
        assert parts[0] <= parts[1]


@given(st.sampled_from(video_combinations()), st.data())
def test_parsing_a_caption_gives_back_its_meaning(combination, data):
    asked = data.draw(st.sampled_from(video_captions(*combination)))
    assert parse_motion(f"  {asked.text.upper()}. ") == asked


def test_a_caption_says_what_is_asked():
    text = "a clip of a blue ring slowly moving up on a grey background"
    assert parse_motion(text) == Motion(text, "blue", "ring", "up", "slowly", "grey")
    assert parse_motion(CAPTION) == Motion(CAPTION, "red", "circle", "right", "quickly", None)


@pytest.mark.parametrize("text", ["", "a photo of a red circle", CAPTION + " and up"])
def test_a_sentence_outside_the_language_is_refused_with_the_grammar(text):
    with pytest.raises(ValueError, match="`caption`") as error:
        parse_motion(text)
    message = str(error.value)
    assert message.startswith(
        f"`caption` must be in the language of the videos, got {text!r}. Use one of\n"
        "  <opening> of a <colour> <shape> moving {direction} {speed}[ on a <background> backgr"
    )
    assert message.endswith("the speeds slowly, quickly; the backgrounds white, grey, black.")


def test_every_word_that_is_said_is_known(drawn):
    said = {word for _, asked in drawn for word in asked.text.split()}
    assert said == set(words_of_videos())


def test_a_video_is_what_its_caption_asks_and_stays_within_the_frame(drawn):
    for moving, asked in drawn:
        assert len(moving.items) == FRAMES
        assert {(item.colour, item.shape) for item in moving.items} == {
            (asked.colour, asked.shape)
        }
        assert asked.background in (None, moving.background)
        centres = np.array([item.centre for item in moving.items])
        step = SPEEDS[asked.speed] * np.array(DIRECTIONS[asked.direction])
        assert (np.diff(centres, axis=0) == step).all()
        room = moving.items[0].size // 2
        assert centres.min() > room
        assert centres.max() < IMAGE_SIDE - room


def test_videos_depend_on_nothing_but_the_random_numbers():
    first, second = (training_video(np.random.default_rng(7)) for _ in range(2))
    assert first == second
    assert render_video(first[0]).shape == (FRAMES, IMAGE_SIDE, IMAGE_SIDE, 3)


def test_videos_as_asked_get_full_scores(rendered):
    scores = [score_video(video, asked) for asked, video in rendered]
    assert np.mean([one.score for one in scores]) >= 0.99
    assert np.mean([one.consistency for one in scores]) >= 0.99
    assert np.mean([one.smoothness for one in scores]) >= 0.99
    assert np.max([one.flicker for one in scores]) <= 0.01


def test_videos_of_other_captions_seldom_score(rendered):
    order = np.random.default_rng(0).permutation(len(rendered))
    scores = [
        score_video(rendered[i][1], asked).score
        for (asked, _), i in zip(rendered, order, strict=True)
    ]
    assert np.mean(scores) <= 0.2


def test_videos_still_score_when_they_are_blurred_noisy_and_off_colour(rendered):
    rng = np.random.default_rng(5)
    scores = []
    for asked, video in rendered[::3]:
        padded = np.pad(video / 255.0, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        blurred = sum(padded[:, i : i + 64, j : j + 64] for i in range(3) for j in range(3)) / 9
        tint, noise = rng.uniform(-0.05, 0.05, 3), 0.02 * rng.standard_normal(video.shape)
        scores.append(
            score_video(np.clip((video / 255.0 + blurred) / 2 + tint + noise, 0, 1), asked)
        )
    assert np.mean([one.score for one in scores]) >= 0.95
    assert np.mean([one.consistency for one in scores]) >= 0.95
    assert 0.01 < np.mean([one.flicker for one in scores]) < 0.05


def _video(start=(16, 32), step=(3, 0), background="white", shape="circle", colour="red"):
    items = (
        SceneObject(shape, colour, (start[0] + i * step[0], start[1] + i * step[1]), 22)
        for i in range(FRAMES)
    )
    return render_video(MovingObject(background, tuple(items)))


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, set()),
        ({"shape": "ring"}, {"object"}),
        ({"colour": "blue"}, {"colour"}),
        ({"start": (48, 32), "step": (-3, 0)}, {"direction"}),
        ({"start": (32, 16), "step": (0, 3)}, {"direction"}),
        ({"start": (16, 16), "step": (3, 3)}, {"direction"}),
        ({"step": (1, 0)}, {"speed"}),
        ({"start": (32, 32), "step": (0, 0)}, {"direction", "speed"}),
    ],
    ids=lambda value: str(sorted(value)),
)
def test_each_score_says_what_is_not_as_asked(changes, wrong):
    scores = score_video(_video(**changes), CAPTION)
    found = {name for name in FULL if getattr(scores, name) == 0}
    assert found == wrong
    assert scores.score == float(not wrong)
    assert (scores.consistency, scores.smoothness, scores.flicker) == (1.0, 1.0, 0.0)


def test_an_asked_background_must_be_there():
    text = CAPTION + " on a black background"
    assert score_video(_video(background="black"), text).score == 1.0
    assert score_video(_video(), text).background == score_video(_video(), text).score == 0.0


def _with_another(background="white"):
    pair = (SceneObject("circle", "red", (16, 16), 22), SceneObject("cross", "blue", (48, 48), 22))
    return render_scene(Scene(background, pair))


def test_something_else_in_most_frames_is_not_what_was_asked():
    video = _video()
    video[:4] = _with_another()
    assert score_video(video, CAPTION).score == 1.0
    assert score_video(video, CAPTION).consistency == pytest.approx(5 / 9)
    video[:5] = _with_another()
    assert score_video(video, CAPTION).object == score_video(video, CAPTION).score == 0.0


def test_a_subject_that_changes_is_inconsistent():
    video = _video()
    video[6:] = _video(colour="blue")[6:]
    scores = score_video(video, CAPTION)
    assert (scores.consistency, scores.score) == (pytest.approx(6 / 9), 1.0)


def test_jerky_motion_is_not_smooth():
    video = _video()[[0, 2, 1, 4, 3, 6, 5, 8, 7]]
    assert score_video(video, CAPTION).smoothness == 0.0
    one_late = _video()[[0, 1, 2, 3, 3, 5, 6, 7, 8]]
    assert 0.4 < score_video(one_late, CAPTION).smoothness < 0.8


def test_a_background_that_changes_its_brightness_flickers():
    video = _video(background="grey").astype(int)
    video[1::2] += 10
    assert score_video(video.astype(np.uint8), CAPTION).flicker == pytest.approx(
        10 / 255, rel=1e-6
    )


def test_an_empty_video_gets_no_score_and_does_not_flicker():
    video = np.full((FRAMES, IMAGE_SIDE, IMAGE_SIDE, 3), 245, np.uint8)
    assert score_video(video, CAPTION) == VideoScores(0, 0, 0, 0, 1, 0, 0, 0)


def test_what_is_not_a_video_of_the_world_is_refused():
    for video in (np.zeros((1, 64, 64, 3)), np.zeros((9, 32, 64, 3)), np.zeros((64, 64, 3))):
        with pytest.raises(ValueError, match=r"`video` must have the shape \(F, 64, 64, 3\), got"):
            score_video(video, CAPTION)


def _measured(text, video):
    frames = tuple(Image.fromarray(frame) for frame in video)
    return Videos().score(Video(frames, 8), Request(0, text, 0))


def test_the_metric_gives_all_scores():
    rest = {"consistency": 1.0, "smoothness": 1.0, "flicker": 0.0}
    assert (FULL | rest | {"score": 1.0}).items() <= _measured(CAPTION, _video()).items()
    slow = replace(parse_motion(CAPTION), speed="slowly").text
    assert _measured(slow.replace("quickly", "slowly"), _video())["score"] == 0.0


def test_the_metric_says_nothing_of_other_prompts_sizes_and_images():
    assert _measured("a cat", _video()) == {}
    assert _measured(CAPTION, _video()[:, :32]) == {}
    picture = Image.fromarray(_video()[0])
    assert Videos().score(picture, Request(0, CAPTION, 0)) == {}
