"""A toy SAM 2 of the real class with random weights, in the files that real weights come in."""

from pathlib import Path

import torch
from transformers import (
    Sam2HieraDetConfig,
    Sam2VideoConfig,
    Sam2VideoMaskDecoderConfig,
    Sam2VideoModel,
    Sam2VideoPromptEncoderConfig,
    Sam2VisionConfig,
)

IMAGE_SIZE = 128
MEMORY = 64  # which the memory attention takes for granted
WIDTH = 128  # object pointers are split into pieces of the memories' width, which must be less
NARROW = 32


def write_tiny_sam2(folder: Path, *, seed: int = 0) -> Path:
    """Its masks are noise, but for hints that are masks, and no object is ever out of its sight."""
    backbone = Sam2HieraDetConfig(
        hidden_size=8,
        num_attention_heads=1,
        image_size=[IMAGE_SIZE, IMAGE_SIZE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 1, 1],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[IMAGE_SIZE // n] * 2 for n in (4, 8, 16)],
        fpn_hidden_size=WIDTH,
    )
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config=Sam2VideoPromptEncoderConfig(hidden_size=WIDTH, image_size=IMAGE_SIZE, patch_size=16),
        mask_decoder_config=Sam2VideoMaskDecoderConfig(
            hidden_size=WIDTH, mlp_dim=NARROW, num_attention_heads=2, iou_head_hidden_dim=NARROW
        ),
        image_size=IMAGE_SIZE,
        memory_attention_hidden_size=WIDTH,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=NARROW,
        memory_attention_rope_feat_sizes=[IMAGE_SIZE // 16] * 2,
        memory_encoder_hidden_size=WIDTH,
        memory_encoder_output_channels=MEMORY,
        mask_downsampler_embed_dim=WIDTH,
        memory_fuser_embed_dim=WIDTH,
        memory_fuser_intermediate_dim=NARROW,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Sam2VideoModel(config)
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.2)
            network.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(100.0)
    network.save_pretrained(folder)
    return folder
