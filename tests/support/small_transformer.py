"""A transformer with a control branch that is as small as its rotary positions allow."""

from spatia.networks.config import TransformerConfig

SMALL = TransformerConfig(
    heads=2,
    head_size=12,
    ffn_size=32,
    layers=4,
    latent_channels=4,
    control_channels=8,
    text_size=16,
    control_layers=(0, 2),
)
