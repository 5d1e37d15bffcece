"""The table of all cases: what a driver must follow, and what it must refuse."""

from . import (
    flux,
    flux_images,
    hunyuan_video,
    hunyuan_video_15,
    ltx,
    noise,
    qwen_image,
    sd3,
    second_order,
    wan,
)

FLOWS = (
    *flux.CASES,
    *flux_images.CASES,
    *hunyuan_video.CASES,
    *hunyuan_video_15.CASES,
    *sd3.CASES,
    *qwen_image.CASES,
    *wan.CASES,
    *ltx.CASES,
)
REFUSED = (*noise.CASES, *second_order.CASES)
NAMED = {case.name: case for case in (*FLOWS, *REFUSED)}
