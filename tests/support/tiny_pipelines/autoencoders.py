"""Autoencoders of images and videos, each with the family's own factors where that is cheap."""

from diffusers import (
    AutoencoderKL,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLHunyuanVideo15,
    AutoencoderKLLTXVideo,
    AutoencoderKLQwenImage,
    AutoencoderKLWan,
)


def image(**options) -> AutoencoderKL:
    """Returns an autoencoder of images: 4 channels, factor 2.

    Args:
        **options: a family's scale and shift.
    """
    return AutoencoderKL(
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        **options,
    )


def hunyuan_video() -> AutoencoderKLHunyuanVideo:
    """Returns an autoencoder of videos: 4 channels, factor 8 in space and 4 in time."""
    return AutoencoderKLHunyuanVideo(
        latent_channels=4,
        block_out_channels=(4, 4, 4, 4),
        layers_per_block=1,
        norm_num_groups=2,
    )


def hunyuan_video_15() -> AutoencoderKLHunyuanVideo15:
    """Returns an autoencoder of videos: 4 channels, factor 16 in space and 4 in time."""
    return AutoencoderKLHunyuanVideo15(
        latent_channels=4,
        block_out_channels=(8, 8, 8, 8, 8),
        layers_per_block=1,
    )


def wan() -> AutoencoderKLWan:
    """Returns an autoencoder of videos: 16 channels, factor 8 in space and 4 in time."""
    return AutoencoderKLWan(base_dim=4, num_res_blocks=1)


def qwen_image() -> AutoencoderKLQwenImage:
    """Returns an autoencoder of images as one-frame videos: 16 channels, factor 8."""
    return AutoencoderKLQwenImage(base_dim=4, num_res_blocks=1)


def ltx() -> AutoencoderKLLTXVideo:
    """Returns an autoencoder of videos: 8 channels, factor 32 in space and 8 in time."""
    return AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
    )
