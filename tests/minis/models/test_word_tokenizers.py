"""The tokenizers: every word one token, the same after saving."""

import pytest
from transformers import CLIPTokenizer, T5Tokenizer

from fastflow_minis.models.word_tokenizers import clip_tokenizer, t5_tokenizer
from fastflow_minis.worlds.scenes.scene_language import words_of_scenes
from fastflow_minis.worlds.scenes.scene_world import held_out_captions

LENGTH = 14
PAIRS = [(clip_tokenizer, CLIPTokenizer), (t5_tokenizer, T5Tokenizer)]


@pytest.mark.parametrize(("build", "kind"), PAIRS)
def test_every_word_of_the_language_is_one_known_token(build, kind):
    tokenizer = build(words_of_scenes(), LENGTH)
    ids = [tokenizer(word, add_special_tokens=False).input_ids for word in words_of_scenes()]
    assert all(len(one) == 1 for one in ids)
    assert len({one[0] for one in ids} - {tokenizer.unk_token_id}) == len(words_of_scenes())


@pytest.mark.parametrize(("build", "kind"), PAIRS)
def test_every_prompt_fits_into_the_sequence(build, kind):
    tokenizer = build(words_of_scenes(), LENGTH)
    specials = len(tokenizer("").input_ids)
    for prompt in held_out_captions(300):
        length = len(tokenizer(prompt.text).input_ids)
        assert length == len(prompt.text.split()) + specials
        assert length <= LENGTH


@pytest.mark.parametrize(("build", "kind"), PAIRS)
def test_a_saved_tokenizer_reads_the_same(build, kind, tmp_path):
    tokenizer = build(words_of_scenes(), LENGTH)
    tokenizer.save_pretrained(tmp_path)
    loaded = kind.from_pretrained(tmp_path)
    texts = [prompt.text for prompt in held_out_captions(60)]
    assert loaded(texts).input_ids == tokenizer(texts).input_ids
    assert loaded.model_max_length == LENGTH


@pytest.mark.parametrize(("build", "kind"), PAIRS)
def test_unknown_words_do_no_harm(build, kind):
    ids = build(words_of_scenes(), LENGTH)(
        "a hippopotamus, 7 é 中 of", padding="max_length", max_length=LENGTH, truncation=True
    ).input_ids
    assert len(ids) == LENGTH
    assert max(ids) < len(build(words_of_scenes(), LENGTH))
