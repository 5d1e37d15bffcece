"""HunyuanVideo: what is particular to it, its template and its rounding."""

import torch
from adapter_cases import HUNYUAN_VIDEO
from adapter_tools import assert_identical, samples_of, told

from fastflow_plugins.models.hunyuan_video import HunyuanVideo


def test_the_pipelines_own_template_does_not_change_the_numbers():
    recipe = HUNYUAN_VIDEO.recipe(prompt_template=None, crop_start=None, max_sequence_length=512)
    requests = HUNYUAN_VIDEO.requests(1, steps=2)
    assert_identical(HUNYUAN_VIDEO, HUNYUAN_VIDEO.pipeline(), recipe, requests)


def test_the_tokens_of_an_own_template_are_counted():
    pipe = HUNYUAN_VIDEO.pipeline()
    counted = HUNYUAN_VIDEO.model(pipe, crop_start=None)
    length = len(pipe.tokenizer("a video: ").input_ids)
    given = HUNYUAN_VIDEO.model(pipe, crop_start=length)
    requests = HUNYUAN_VIDEO.requests(steps=3)
    (a,), (b,) = (samples_of(model, requests) for model in (counted, given))
    assert torch.equal(a.x, b.x)


def test_latents_and_times_are_rounded_from_the_second_step_on():
    pipe = HUNYUAN_VIDEO.pipeline(torch.bfloat16)
    model = HUNYUAN_VIDEO.model(pipe)
    (request,) = HUNYUAN_VIDEO.requests(steps=9)
    made = told(pipe, lambda: samples_of(model, [request]))
    assert model.prepare(request).x.dtype is torch.float32
    assert [call["timestep"].dtype for call in made] == [torch.float32] + 8 * [torch.bfloat16]
    assert {call["hidden_states"].dtype for call in made} == {torch.bfloat16}
    assert samples_of(model, [request])[0].x.dtype is torch.bfloat16


def test_the_mini_asks_for_videos():
    prompts = HunyuanVideo(path="hunyuan_video_mini").prompts(8)
    assert len(set(prompts)) == 8
