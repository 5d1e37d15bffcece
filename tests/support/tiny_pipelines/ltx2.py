"""LTX-2: a video and its sound, each on a scheduler of its own, denoised by one transformer."""

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder

from . import ltx
from .building import generator, ready, same_weights

WIDTH, LAYERS = 16, 2  # of the text encoder that the embeddings stand for


def pipeline() -> LTX2Pipeline:
    """Returns an LTX-2 pipeline without text encoder: embeddings are handed over."""
    with same_weights():
        pipe = LTX2Pipeline(
            scheduler=ltx.scheduler(),
            vae=_video_autoencoder(),
            audio_vae=AutoencoderKLLTX2Audio(
                base_channels=4, ch_mult=(1,), num_res_blocks=1, resolution=32, latent_channels=2,
                mel_bins=8,
            ),
            text_encoder=None,
            tokenizer=None,
            connectors=_connectors(),
            transformer=_transformer(),
            vocoder=LTX2Vocoder(
                in_channels=16, hidden_channels=32, upsample_kernel_sizes=[4, 4],
                upsample_factors=[2, 2], resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]],
                output_sampling_rate=16000,
            ),
        )  # fmt: skip
    return ready(pipe, torch.float32)


def run(pipe: LTX2Pipeline) -> tuple[torch.Tensor, torch.Tensor]:
    """Calls the pipeline for 12 guided steps and returns the latents of video and sound."""
    draw = torch.Generator().manual_seed(1)
    texts = [torch.randn(1, 8, WIDTH * (LAYERS + 1), generator=draw) for _ in range(2)]
    mask = torch.ones(1, 8, dtype=torch.long)
    return pipe(
        prompt_embeds=texts[0],
        prompt_attention_mask=mask,
        negative_prompt_embeds=texts[1],
        negative_prompt_attention_mask=mask,
        height=32,
        width=32,
        num_frames=5,
        num_inference_steps=12,
        guidance_scale=3.0,
        generator=generator(),
        output_type="latent",
        return_dict=False,
    )


def _video_autoencoder() -> AutoencoderKLLTX2Video:
    return AutoencoderKLLTX2Video(
        latent_channels=4, block_out_channels=(8,), decoder_block_out_channels=(8,),
        layers_per_block=(1,), decoder_layers_per_block=(1, 1), spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,), decoder_inject_noise=(False, False),
        downsample_type=("spatial",), down_block_types=("LTX2VideoDownBlock3D",),
        upsample_type=("spatial",), upsample_residual=(False,), upsample_factor=(1,),
        patch_size=1, patch_size_t=1,
    )  # fmt: skip


def _connectors() -> LTX2TextConnectors:
    return LTX2TextConnectors(
        caption_channels=WIDTH, text_proj_in_factor=LAYERS + 1, connector_rope_base_seq_len=32,
        video_connector_num_attention_heads=2, video_connector_attention_head_dim=8,
        video_connector_num_layers=1, video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=2, audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1, audio_connector_num_learnable_registers=None,
        rope_double_precision=False, rope_type="split",
    )  # fmt: skip


def _transformer() -> LTX2VideoTransformer3DModel:
    return LTX2VideoTransformer3DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, audio_in_channels=4, audio_out_channels=4,
        audio_num_attention_heads=2, audio_attention_head_dim=4, audio_cross_attention_dim=8,
        num_layers=2, caption_channels=WIDTH, rope_double_precision=False, rope_type="split",
    )  # fmt: skip
