"""Videos: refused frames, and files that hold what was written."""

import time

import numpy as np
import pytest
from PIL import Image

from fastflow import Video


def _square(count=9, width=64, height=48, fps=8.0):
    """Returns a red square that moves to the right on white."""
    frames = []
    for i in range(count):
        pixels = np.full((height, width, 3), 240, np.uint8)
        pixels[8:32, 3 * i : 3 * i + 24] = (225, 35, 35)
        frames.append(Image.fromarray(pixels))
    return Video(tuple(frames), fps)


@pytest.mark.parametrize("fps", [8.0, 24.0, 29.97, 0.5])
def test_a_file_holds_the_frames_and_their_speed(tmp_path, fps):
    video = _square(fps=fps)
    video.save(tmp_path / "video.mp4")
    read = Video.read(tmp_path / "video.mp4")
    assert (len(read.frames), read.size) == (9, (64, 48))
    assert read.fps == pytest.approx(fps, rel=1e-3)
    off = np.abs(read.pixels().astype(int) - video.pixels())
    assert off.mean() < 3  # of 255: 4:2:0 softens the square's edge


def _noise(count=12, width=49, height=33):
    """Returns noise, of which an encoder can predict nothing."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return Video(tuple(map(Image.fromarray, pixels)), 8.0)


@pytest.mark.parametrize("make", [_square, _noise])
def test_the_same_video_always_gives_the_same_file(tmp_path, make):
    video, files = make(), set()
    for _ in range(40):
        video.save(tmp_path / "video.mp4")
        files.add((tmp_path / "video.mp4").read_bytes())
    assert len(files) == 1


def test_a_file_does_not_depend_on_the_time_of_writing(tmp_path):
    _square().save(tmp_path / "a.mp4")
    time.sleep(1.1)
    _square().save(tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_single_frame_and_an_odd_size_can_be_written(tmp_path):
    _square(1, 63, 47).save(tmp_path / "video.mp4")
    read = Video.read(tmp_path / "video.mp4")
    assert (len(read.frames), read.size) == (1, (64, 48))


def test_pixels_are_rgb_whatever_the_frames_are():
    video = Video(tuple(frame.convert("RGBA") for frame in _square(2).frames), 8)
    assert video.pixels().shape == (2, 48, 64, 3)
    np.testing.assert_array_equal(video.pixels(), _square(2).pixels())


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        ((), 8, "`frames` is empty: a video has one frame or more."),
        ((*_square(1).frames, *_square(1, 32).frames), 8, "`frames` must be of one size."),
        (_square(1).frames, 0, "`fps` must be more than 0, got 0."),
        (_square(1).frames, float("nan"), "`fps` must be more than 0, got nan."),
    ],
)
def test_frames_that_are_not_a_video_are_refused(frames, fps, message):
    with pytest.raises(ValueError, match="`f") as error:
        Video(frames, fps)
    assert str(error.value) == message


def test_a_file_that_is_not_a_video_is_refused(tmp_path):
    (tmp_path / "video.mp4").write_bytes(b"not a video")
    with pytest.raises(ValueError, match="Invalid data"):
        Video.read(tmp_path / "video.mp4")
    with pytest.raises(OSError, match="No such file"):
        Video.read(tmp_path / "nowhere.mp4")
