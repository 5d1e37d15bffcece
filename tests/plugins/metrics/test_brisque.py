"""BRISQUE: left out with one line where it cannot be measured, else the mean of all frames."""

import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from fastflow import Request, Video
from fastflow_plugins.metrics.brisque import Brisque

REQUEST = Request(0, "a cat", 0)


def _piq(monkeypatch, brisque):
    """Puts a piq with a function of its own in the place of the package."""
    spec = SimpleNamespace(name="piq")
    monkeypatch.setattr("fastflow_plugins.metrics.brisque.find_spec", lambda name: spec)
    monkeypatch.setitem(sys.modules, "piq", SimpleNamespace(brisque=brisque))


def test_without_piq_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("fastflow_plugins.metrics.brisque.find_spec", lambda name: None)
    assert Brisque().unavailable() == "brisque was left out: it needs piq (pip install piq)."


def test_without_its_model_it_says_so_in_one_line(monkeypatch):
    def brisque(pixels, **options):
        raise OSError("no\nnetwork")

    _piq(monkeypatch, brisque)
    assert Brisque().unavailable() == (
        "brisque was left out: its model cannot be downloaded (no network)."
    )


def test_a_video_is_measured_frame_by_frame_on_a_scale_of_one(monkeypatch):
    seen = []

    def brisque(pixels, data_range, reduction):
        seen.append((tuple(pixels.shape), float(pixels.max()), data_range, reduction))
        return pixels.mean()

    _piq(monkeypatch, brisque)
    frames = tuple(Image.new("RGB", (48, 32), (value,) * 3) for value in (0, 255))
    assert Brisque().unavailable() == ""
    assert Brisque().score(Video(frames, 8), REQUEST) == {"brisque": pytest.approx(0.5)}
    assert Brisque().score(frames[1], REQUEST) == {"brisque": pytest.approx(1.0)}
    assert seen[1:] == [((2, 3, 32, 48), 1.0, 1.0, "mean"), ((1, 3, 32, 48), 1.0, 1.0, "mean")]


def test_of_a_plain_area_it_says_nothing(monkeypatch):
    def brisque(pixels, **options):
        raise AssertionError("Expected image with non zero variance of pixel values")

    _piq(monkeypatch, brisque)
    assert Brisque().score(Image.new("RGB", (48, 32)), REQUEST) == {}
