"""Whole diffusers pipelines with tiny random weights, made in memory: no hub, no files."""

import string

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

WIDTH = 32
CHARACTERS = string.ascii_lowercase + string.digits + ".,:;!?'-"


def flux(
    pipeline: type = FluxPipeline,
    dtype: torch.dtype = torch.float32,
    *,
    guidance_embeds: bool = True,
    **scheduler_options,
):
    """Returns a FLUX pipeline, for images of multiples of 4 pixels; always the same weights.

    Args:
        pipeline: FluxPipeline, or another with the same parts.
        dtype: of all its weights.
        guidance_embeds: whether its transformer takes embedded guidance, like FLUX.1-dev.
        **scheduler_options: change the scheduler of FLUX.1-dev.
    """
    torch.manual_seed(0)
    pipe = pipeline(
        scheduler=scheduler(**scheduler_options),
        vae=autoencoder(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(),
        transformer=transformer(guidance_embeds),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(dtype)


def kontext(dtype: torch.dtype = torch.float32, **options):
    """Returns a FLUX-Kontext pipeline."""
    return flux(FluxKontextPipeline, dtype, **options)


def scheduler(**options) -> FlowMatchEulerDiscreteScheduler:
    """Returns the scheduler of FLUX.1-dev, changed by ``options``."""
    usual = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
    return FlowMatchEulerDiscreteScheduler(**usual | options)


def transformer(guidance_embeds: bool = True) -> FluxTransformer2DModel:
    """Returns a transformer of two blocks of each kind, on 4 latent channels."""
    model = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 4, 8),
    )
    return model.eval()


def autoencoder() -> AutoencoderKL:
    """Returns an autoencoder of factor 2 with FLUX's scale and shift."""
    model = AutoencoderKL(
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=0.3611,
        shift_factor=0.1159,
    )
    return model.eval()


def clip() -> CLIPTextModel:
    """Returns a CLIP text encoder for `clip_tokenizer`."""
    config = CLIPTextConfig(
        vocab_size=128,
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config).eval()


def t5() -> T5EncoderModel:
    """Returns a T5 encoder for `t5_tokenizer`."""
    config = T5Config(
        vocab_size=64,
        d_model=WIDTH,
        d_kv=8,
        d_ff=WIDTH,
        num_layers=1,
        num_heads=4,
        decoder_start_token_id=0,
    )
    return T5EncoderModel(config).eval()


def clip_tokenizer() -> CLIPTokenizer:
    """Returns a tokenizer of single characters, 77 at most."""
    pieces = [piece for letter in CHARACTERS for piece in (letter, letter + "</w>")]
    words = ["<|startoftext|>", "<|endoftext|>", *pieces]
    vocab = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def t5_tokenizer() -> T5Tokenizer:
    """Returns a tokenizer of single characters, 512 at most."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    vocab = special + [(letter, -3.0) for letter in CHARACTERS]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=512)
