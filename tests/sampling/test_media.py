"""Videos: what they refuse, and that a file gives back what was written."""

import time

import numpy as np
import pytest
from PIL import Image

from fastflow import Video


def _clip(count=9, width=64, height=48, fps=8.0):
    """Returns a red square that moves to the right on white."""
    frames = []
    for i in range(count):
        pixels = np.full((height, width, 3), 240, np.uint8)
        pixels[8:32, 3 * i : 3 * i + 24] = (225, 35, 35)
        frames.append(Image.fromarray(pixels))
    return Video(tuple(frames), fps)


@pytest.mark.parametrize("fps", [8.0, 24.0, 29.97, 0.5])
def test_a_file_gives_back_the_frames_and_their_speed(tmp_path, fps):
    clip = _clip(fps=fps)
    clip.save(tmp_path / "clip.mp4")
    found = Video.read(tmp_path / "clip.mp4")
    assert (len(found.frames), found.size) == (9, (64, 48))
    assert found.fps == pytest.approx(fps, rel=1e-3)
    off = np.abs(found.pixels().astype(int) - clip.pixels())
    assert off.mean() < 3  # of 255: 4:2:0 softens the square's edge


def _noisy_clip(count=12, width=49, height=33):
    """Returns noise, of which an encoder can predict nothing."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return Video(tuple(map(Image.fromarray, pixels)), 8.0)


@pytest.mark.parametrize("make", [_clip, _noisy_clip])
def test_the_same_clip_gives_the_same_file_however_often(tmp_path, make):
    clip, files = make(), set()
    for _ in range(40):
        clip.save(tmp_path / "clip.mp4")
        files.add((tmp_path / "clip.mp4").read_bytes())
    assert len(files) == 1


def test_a_file_does_not_tell_when_it_was_written(tmp_path):
    _clip().save(tmp_path / "a.mp4")
    time.sleep(1.1)
    _clip().save(tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_single_frame_and_an_odd_size_can_be_written(tmp_path):
    _clip(1, 63, 47).save(tmp_path / "clip.mp4")
    found = Video.read(tmp_path / "clip.mp4")
    assert (len(found.frames), found.size) == (1, (64, 48))


def test_pixels_are_rgb_whatever_the_frames_are():
    clip = Video(tuple(frame.convert("RGBA") for frame in _clip(2).frames), 8)
    assert clip.pixels().shape == (2, 48, 64, 3)
    np.testing.assert_array_equal(clip.pixels(), _clip(2).pixels())


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        ((), 8, "`frames` is empty: a clip has one frame or more."),
        ((*_clip(1).frames, *_clip(1, 32).frames), 8, "`frames` must be of one size."),
        (_clip(1).frames, 0, "`fps` must be more than 0, got 0."),
        (_clip(1).frames, float("nan"), "`fps` must be more than 0, got nan."),
    ],
)
def test_what_is_no_clip_is_refused(frames, fps, message):
    with pytest.raises(ValueError, match="`f") as error:
        Video(frames, fps)
    assert str(error.value) == message


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match="Invalid data"):
        Video.read(tmp_path / "clip.mp4")
    with pytest.raises(OSError, match="No such file"):
        Video.read(tmp_path / "nowhere.mp4")
