"""Videos: from the model to the run directory, the metrics and the report."""

import base64
import io
import math
import re

import numpy as np
import pytest
from PIL import Image

from fastflow import Request, Video
from fastflow.report import write_report
from fastflow.report.html.pictures import gif
from fastflow.runs import directory
from fastflow_plugins.metrics.fidelity import Fidelity
from fastflow_plugins.metrics.scenes import Scenes


@pytest.fixture
def done(sample, video):
    done = sample(*video, "samples=3", "metrics=[fidelity,scenes,edits]")
    assert done.status == 0, done.err
    return done


def _gifs(page):
    found = re.findall(r'src="data:image/gif;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in found]


def test_a_run_keeps_its_videos_and_the_report_plays_them(done):
    for row in done.lines("samples.jsonl"):
        name = f"images/{row['index']:04d}"
        assert (row["image"], row["image_full"]) == (f"{name}.mp4", f"{name}_full.mp4")
        for side in ("image", "image_full"):
            kept = Video.read(done.path / row[side])
            assert (len(kept.frames), kept.size, kept.fps) == (5, (32, 16), 8)
        assert math.isfinite(row["metrics"]["psnr_db"])
        assert 0 < row["metrics"]["ssim"] < 1
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="images">Videos</h2>' in page
    gifs = _gifs(page)
    assert len(gifs) == 6
    assert {(one.n_frames, one.size, one.info["loop"]) for one in gifs} == {(5, (32, 16), 0)}
    assert {one.info["duration"] for one in gifs} == {120}  # GIFs count in hundredths
    assert done.json("summary.json")["psnr_db"] > 0


def test_a_missing_or_damaged_video_leaves_a_gap_in_the_report(done):
    (done.path / "images/0001.mp4").unlink()
    (done.path / "images/0002.mp4").write_bytes(b"no video")
    page = write_report(done.path).read_text(encoding="utf-8")
    assert page.count("no video") == 2
    assert len(_gifs(page)) == 4


def test_never_skipping_gives_identical_videos(sample, video):
    done = sample(*video, "samples=2", "policy=never", "metrics=[fidelity]")
    assert done.json("summary.json")["psnr_db_identical"] == 2
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert "all identical" in page
    assert "Two videos are identical to those of their reference runs" in page
    for index in range(2):
        skipped, reference = (done.path / f"images/{index:04d}{end}.mp4" for end in ("", "_full"))
        assert skipped.read_bytes() == reference.read_bytes()


def test_a_resumed_run_writes_the_same_videos(sample, video, monkeypatch):
    words = [*video, "samples=3", "max_batch=1", "metrics=[]"]
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
    assert sample(f"resume={stopped.path}", out="stopped").status == 0
    for file in sorted((whole.path / "images").iterdir()):
        assert (stopped.path / "images" / file.name).read_bytes() == file.read_bytes()


def test_wandb_gets_the_videos(sample, video):
    done = sample(*video, "samples=1", "metrics=[]", "observers=[wandb]")
    assert done.status == 0
    kept = list(done.path.glob("wandb/offline-run-*/files/media/videos/*.mp4"))
    assert len(kept) == 2


def _noisy(seed, count=5):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 32, 48, 3), dtype=np.uint8)
    return Video(tuple(Image.fromarray(one) for one in pixels), 8)


def test_the_error_of_a_video_is_that_of_all_its_frames():
    a, b = _noisy(0), _noisy(1)
    error = np.square((a.pixels().astype(float) - b.pixels()) / 255).mean()
    measured = Fidelity().compare(a, b)
    assert measured["psnr_db"] == pytest.approx(-10 * math.log10(error), abs=1e-4)
    each = [Fidelity().compare(p, q)["ssim"] for p, q in zip(a.frames, b.frames, strict=True)]
    assert measured["ssim"] == pytest.approx(np.mean(each), abs=1e-5)
    assert Fidelity().compare(a, a)["psnr_db"] == math.inf


def test_metrics_of_images_do_not_score_videos():
    assert Scenes().score(_noisy(0), Request(0, "a photo of a red circle", 0)) == {}


def test_a_long_video_becomes_a_coarser_gif_at_the_same_speed(tmp_path):
    _noisy(0, 48).save(tmp_path / "video.mp4")
    data, size = gif(tmp_path / "video.mp4", 10**7)
    assert size == (48, 32)
    assert Image.open(io.BytesIO(data)).n_frames == 48
    data, _ = gif(tmp_path / "video.mp4", 1)
    small = Image.open(io.BytesIO(data))
    assert (small.n_frames, small.info["duration"]) == (8, 750)
