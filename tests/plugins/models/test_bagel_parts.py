"""What BAGEL is made of: sizes, patches, guidance, contexts, words."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_pipelines import bagel

from fastflow_plugins.models.bagel.checkpoint import WORDS, load_tokenizer
from fastflow_plugins.models.bagel.guidance import Guidance
from fastflow_plugins.models.bagel.network import Context, Segment
from fastflow_plugins.models.bagel.pictures import Sides, opaque, patches, picture, whole
from fastflow_plugins.models.bagel.pictures import pixel_values as pixels

OURS = Sides(512, 1024, 16)
VIEW = Sides(224, 980, 14)
ROWS = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))


# what BAGEL's own transforms make of these sizes
@pytest.mark.parametrize(
    ("size", "ours", "view"),
    [
        ((1024, 1024), (1024, 1024), (980, 980)),
        ((640, 480), (688, 512), (644, 476)),
        ((3000, 2000), (1024, 688), (980, 658)),
        ((300, 300), (512, 512), (294, 294)),
        ((100, 1000), (96, 1024), (98, 980)),
        ((5000, 100), (1024, 16), (980, 14)),
        ((1, 1), (512, 512), (224, 224)),
    ],
)
def test_pictures_are_resized_by_bagels_rules(size, ours, view):
    assert OURS.fit(*size) == ours
    assert VIEW.fit(*size) == view


@given(st.integers(1, 6000), st.integers(1, 6000))
def test_a_picture_of_any_size_fits_the_tables_and_is_resized_once(width, height):
    for sides in (OURS, VIEW):
        fitted = sides.fit(width, height)
        assert all(side % sides.multiple == 0 and 0 < side <= sides.longest for side in fitted)
        assert sides.fit(*fitted) == fitted


def test_patches_are_rows_of_pixels_with_channels_last_and_go_together_again():
    x = torch.arange(3 * 4 * 6).reshape(3, 4, 6)
    cut = patches(x, 2)
    assert cut.shape == (6, 12)
    assert cut[1].tolist() == [x[c, h, w] for h in (0, 1) for w in (2, 3) for c in range(3)]
    assert torch.equal(whole(cut, 4, 6, 2), x)


def test_pictures_survive_being_values_but_for_a_grey_level_that_is_rounded_down():
    shown = bagel.reference()
    lost = np.asarray(shown).astype(int) - np.asarray(picture(pixels(shown)))
    assert set(lost.flatten()) <= {0, 1}
    assert float(pixels(shown).min()) >= -1
    assert float(pixels(shown).max()) <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_becomes_white(mode):
    clear = Image.new("RGBA", (2, 1), (200, 0, 0, 0))
    clear.putpixel((1, 0), (40, 40, 40, 255))
    shown = opaque(clear.convert(mode))
    assert (shown.mode, shown.getpixel((0, 0)), shown.getpixel((1, 0))) == (
        "RGB",
        (255, 255, 255),
        (40, 40, 40),
    )
    assert opaque(Image.new("L", (1, 1), 7)).getpixel((0, 0)) == (7, 7, 7)


def test_guidance_without_shortening_is_two_extrapolations():
    v, u, i = torch.randn(3, 5, 4).unbind()
    for kind in ("global", "channel", "text_channel"):
        guidance = Guidance(3.0, 2.0, renormalisation=kind, floor=1.0)
        w = u + 3 * (v - u)
        torch.testing.assert_close(guidance.combine(v, u, None), w)
        torch.testing.assert_close(guidance.combine(v, u, i), i + 2 * (w - i))


@pytest.mark.parametrize("with_image", [True, False])
def test_the_guided_velocity_is_never_longer_than_the_conditional_one(with_image):
    v, u = ROWS
    i = torch.randn(5, 4) if with_image else None
    whole_sample = Guidance(6.0, 2.0, renormalisation="global").combine(v, u, i)
    assert whole_sample.norm() <= v.norm() * 1.0001
    by_token = Guidance(6.0, 2.0, renormalisation="channel").combine(v, u, i)
    assert (by_token.norm(dim=1) <= v.norm(dim=1) * 1.0001).all()
    before = Guidance(6.0, 2.0, renormalisation="text_channel").combine(v, u, None)
    plain = Guidance(6.0, renormalisation="channel").combine(v, u, None)
    torch.testing.assert_close(before, plain)


def test_a_shorter_guided_velocity_is_left_as_it_is():
    v, _ = ROWS
    w = Guidance(1.5, renormalisation="global").combine(v, 1.5 * v, None)
    torch.testing.assert_close(w, 0.75 * v)


def test_the_guidance_interval_is_open_below_and_closed_above():
    times = torch.tensor([1.0, 0.7, 0.4, 0.1])
    assert Guidance(interval=(0.4, 1.0)).acts_at(times) == [True, True, False, False]
    assert Guidance(interval=(0.1, 0.7)).acts_at(times) == [False, True, True, False]
    assert Guidance(text=1.0).acts_at(times) == [False] * 4


def test_a_context_grows_by_a_segment_and_stays_as_it_was():
    first = Segment((torch.ones(2, 1, 4),), (torch.zeros(2, 1, 4),))
    begun = Context().extended(first, by=1)
    longer = begun.extended(first, by=2)
    assert (begun.position, longer.position) == (1, 3)
    assert len(begun.segments) == 1
    k = torch.full((3, 1, 4), 2.0)
    keys, values = longer.before(0, k, k)
    assert keys[:, 0, 0].tolist() == [1, 1, 1, 1, 2, 2, 2]
    assert values[:, 0, 0].tolist() == [0, 0, 0, 0, 2, 2, 2]
    assert Context().before(0, k, k)[0] is k


def test_a_text_is_read_word_by_word_and_an_image_all_at_once():
    """What comes later changes no word before it; in an image everything sees everything."""
    network = bagel.parts().network
    with torch.no_grad():
        short, long = (network.read_text(Context(), words) for words in ([5], [5, 6, 7]))
    torch.testing.assert_close(short.segments[0].keys[-1][:2], long.segments[0].keys[-1][:2])
    x, places = torch.randn(4, 64), torch.arange(4)
    other = x.clone()
    other[3] += 1
    with torch.no_grad():
        a, b = (network.velocity(short, z, torch.ones(1), places) for z in (x, other))
    assert (a - b).abs().amax(1).min() > 0


def test_latents_and_words_pass_through_weights_of_their_own():
    parts = bagel.load_parts(str(bagel.FOLDER), torch.device("cpu"), torch.float32)
    x, places = torch.randn(4, 64), torch.arange(4)

    @torch.no_grad()
    def text_and_velocity():
        context = parts.network.read_text(Context(), [5, 6])
        v = parts.network.velocity(Context(), x, torch.ones(1), places)
        return context.segments[0].keys[-1], v

    words, v = text_and_velocity()
    for layer in parts.network.transformer.layers:
        layer.mlp_moe_gen.down_proj.weight.data *= 2
    same, other = text_and_velocity()
    assert torch.equal(words, same)
    assert not torch.allclose(v, other)


def test_of_qwens_words_alone_the_markers_get_qwens_numbers(tmp_path):
    known = json.loads((bagel.FOLDER / "vocab.json").read_text())
    letters = [word for word in known if len(word) == 1]
    words = [*letters, *(f"<{i}>" for i in range(WORDS - len(letters)))]
    (tmp_path / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    _, markers = load_tokenizer(tmp_path, 152_064)
    assert (markers.text, markers.image) == ((151_644, 151_645), (151_652, 151_653))


def test_other_vocabularies_get_the_markers_behind_their_words():
    tokenizer, markers = load_tokenizer(bagel.FOLDER, 272)
    assert (markers.text, markers.image) == ((257, 258), (259, 260))
    assert tokenizer.decode(tokenizer.encode("a cat, a café")) == "a cat, a café"
