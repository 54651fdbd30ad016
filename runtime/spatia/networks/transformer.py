"""Wan2.2's diffusion transformer with the control branch of Spatia and Mirage. Inference on one thread.

Built of diffusers' Wan layers, with its weight names, and of three things its own models lack (spec/spatia_release.md
1.3, 1.4, 1.6): a timestep for each latent frame, reference frames with positions of their own, and hints that reach
the video's tokens but not the references'. As a diffusers model it takes that library's attention backends, adapters,
caches, casting and offloading.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from diffusers import ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders import PeftAdapterMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.cache_utils import CacheMixin
from diffusers.models.normalization import FP32LayerNorm
from diffusers.models.transformers.transformer_wan import WanTimeTextImageEmbedding, WanTransformerBlock
from torch import Tensor, nn

from spatia.networks.config import TransformerConfig
from spatia.networks.rotary import Tables, rotary_tables


class WanBlock(WanTransformerBlock):
    """A main block. Modulation comes by latent frame, for all tokens of a frame share a timestep.

    The hint is added inside the block so that a cache which skips the block skips its hint too.
    """

    def __init__(self, *, width: int, ffn_size: int, heads: int, eps: float) -> None:
        super().__init__(dim=width, ffn_dim=ffn_size, num_heads=heads, cross_attn_norm=True, eps=eps)

    def forward(
        self,
        hidden_states: Tensor,  # [B, F * S, D]: S tokens in each of F latent frames
        encoder_hidden_states: Tensor,  # [B, L, D]
        modulation: Tensor,  # [B, F, 6, D]
        rotary: Tables,
        hint: Tensor | None = None,  # [B, n, D] for the last n tokens
    ) -> Tensor:
        shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = (self.scale_shift_table + modulation.float()).split(1, 2)
        attended = self.attn1(_modulated(self.norm1, hidden_states, scale, shift), None, None, rotary)
        hidden_states = _gated(hidden_states, attended, gate)
        normed = self.norm2(hidden_states.float()).type_as(hidden_states)
        hidden_states = hidden_states + self.attn2(normed, encoder_hidden_states, None, None)
        hidden_states = _gated(
            hidden_states, self.ffn(_modulated(self.norm3, hidden_states, ffn_scale, ffn_shift)), ffn_gate
        )
        if hint is not None:
            hidden_states[:, -hint.shape[1] :] += hint
        return hidden_states


class ControlBlock(WanBlock):
    """A block of the control branch: the first takes the noisy video in, each gives a hint out."""

    def __init__(self, *, first: bool, width: int, ffn_size: int, heads: int, eps: float) -> None:
        super().__init__(width=width, ffn_size=ffn_size, heads=heads, eps=eps)
        self.proj_in = nn.Linear(width, width) if first else None
        self.proj_out = nn.Linear(width, width)

    def forward(  # type: ignore[override]  # a stage of another branch: takes the video, gives a state and a hint
        self,
        state: Tensor,  # [B, n, D]
        context: Tensor,
        modulation: Tensor,
        rotary: Tables,
        video: Tensor,  # [B, n, D]
    ) -> tuple[Tensor, Tensor]:
        """All of a block's layers run here: offloading brings their weights for the time of this call."""
        if self.proj_in is not None:
            state = self.proj_in(state) + video
        state = super().forward(state, context, modulation, rotary)
        return state, self.proj_out(state)


class WanControlTransformer(ModelMixin, ConfigMixin, PeftAdapterMixin, CacheMixin, AttentionMixin):
    """Predicts the flow of noisy latents. The arguments are those of diffusers' Wan models."""

    _repeated_blocks = ["WanBlock", "ControlBlock"]  # noqa: RUF012 - diffusers reads these from the class
    _no_split_modules = ["WanBlock", "ControlBlock"]  # noqa: RUF012
    _skip_layerwise_casting_patterns = ["patch_embedding", "condition_embedder", "norm"]  # noqa: RUF012
    _keep_in_fp32_modules = ["time_embedder", "scale_shift_table", "norm1", "norm2", "norm3"]  # noqa: RUF012

    @register_to_config
    def __init__(
        self,
        *,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 24,
        attention_head_dim: int = 128,
        in_channels: int = 48,
        out_channels: int = 48,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 14336,
        num_layers: int = 30,
        eps: float = 1e-6,
        vace_layers: Sequence[int] = (),
        vace_in_channels: int = 96,
    ) -> None:
        super().__init__()
        width = num_attention_heads * attention_head_dim
        sizes: dict[str, Any] = {"width": width, "ffn_size": ffn_dim, "heads": num_attention_heads, "eps": eps}
        self.patch_embedding = nn.Conv3d(in_channels, width, kernel_size=patch_size, stride=patch_size)
        self.condition_embedder = WanTimeTextImageEmbedding(
            dim=width, time_freq_dim=freq_dim, time_proj_dim=6 * width, text_embed_dim=text_dim
        )
        self.blocks = nn.ModuleList(WanBlock(**sizes) for _ in range(num_layers))
        if vace_layers:
            self.vace_patch_embedding = nn.Conv3d(vace_in_channels, width, kernel_size=patch_size, stride=patch_size)
            self.vace_blocks = nn.ModuleList(ControlBlock(first=n == 0, **sizes) for n in range(len(vace_layers)))
        self.norm_out = FP32LayerNorm(width, eps, elementwise_affine=False)
        self.proj_out = nn.Linear(width, out_channels * math.prod(patch_size))
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, width) / width**0.5)

    @classmethod
    def of(cls, config: TransformerConfig) -> "WanControlTransformer":
        """Random weights on the current default device and dtype."""
        return cls(
            patch_size=config.patch,
            num_attention_heads=config.heads,
            attention_head_dim=config.head_size,
            in_channels=config.latent_channels,
            out_channels=config.latent_channels,
            text_dim=config.text_size,
            freq_dim=config.frequency_size,
            ffn_dim=config.ffn_size,
            num_layers=config.layers,
            eps=config.eps,
            vace_layers=config.control_layers,
            vace_in_channels=config.control_channels,
        )

    def forward(
        self,
        latents: Tensor,  # [B, C, F, h, w]; the first `references` frames are references
        timestep: Tensor,  # [B, F]
        text: Tensor,  # [B, L, text_dim]
        *,
        control: Tensor | None = None,  # [B, vace_in_channels, F - references, h, w]
        references: int = 0,
        control_scale: float = 1.0,
    ) -> Tensor:
        """The predicted flow, [B, C, F, h, w], of all frames, the references' included.

        Raises `ValueError` for a control video that does not cover exactly the frames that are no references.
        """
        frames, rows, columns = self._grid(latents)
        if control is not None and control.shape[2:] != (latents.shape[2] - references, *latents.shape[3:]):
            wanted = (latents.shape[2] - references, *latents.shape[3:])
            raise ValueError(f"control must cover (frames, h, w) = {wanted}; got {tuple(control.shape[2:])}")
        rotary = rotary_tables(
            frames=frames,
            references=references,
            rows=rows,
            columns=columns,
            head_size=self.config.attention_head_dim,
            device=latents.device,
        )
        hidden = self.patch_embedding(latents).flatten(2).transpose(1, 2).contiguous()  # [B, F * S, D]
        time, modulation, context, _ = self.condition_embedder(
            timestep.flatten(), text, timestep_seq_len=timestep.shape[1]
        )
        modulation = modulation.unflatten(2, (6, -1))  # [B, F, 6, D]
        hints: Iterator[Tensor] = iter(())
        if control is not None:
            skip = references * rows * columns
            hints = self._hints(
                hidden[:, skip:],
                control,
                context,
                modulation[:, references:],
                (rotary[0][:, skip:], rotary[1][:, skip:]),
            )
        for layer, block in enumerate(self.blocks):
            hint = next(hints, None) if layer in self.config.vace_layers else None
            hidden = block(hidden, context, modulation, rotary, None if hint is None else hint * control_scale)
        shift, scale = (self.scale_shift_table + time[:, :, None].float()).split(1, 2)
        hidden = self.proj_out(_modulated(self.norm_out, hidden, scale, shift))
        return self._video(hidden, frames, rows, columns)

    def _hints(
        self,
        video: Tensor,  # [B, n, D] the noisy tokens that are no references
        control: Tensor,
        context: Tensor,
        modulation: Tensor,
        rotary: Tables,
    ) -> Iterator[Tensor]:
        """One [B, n, D] for each control layer, computed when the main block that takes it is reached."""
        state = self.vace_patch_embedding(control).flatten(2).transpose(1, 2)
        blocks: Iterable[Any] = self.vace_blocks
        for block in blocks:
            state, hint = block(state, context, modulation, rotary, video)
            yield hint

    def _grid(self, latents: Tensor) -> tuple[int, int, int]:
        """Tokens along frames, rows and columns. Raises `ValueError` where the latents are no whole patches."""
        size = tuple(latents.shape[2:])
        if any(side % patch for side, patch in zip(size, self.config.patch_size, strict=True)):
            raise ValueError(f"latents (frames, h, w) = {size} are no multiple of the patch {self.config.patch_size}")
        frames, rows, columns = (side // patch for side, patch in zip(size, self.config.patch_size, strict=True))
        return frames, rows, columns

    def _video(self, hidden: Tensor, frames: int, rows: int, columns: int) -> Tensor:
        """[B, F * S, patch * C] tokens as [B, C, F, h, w]."""
        patches = hidden.unflatten(1, (frames, rows, columns)).unflatten(4, (*self.config.patch_size, -1))
        return patches.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def _modulated(norm: nn.Module, hidden: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """[B, F * S, D], normed, scaled and shifted by latent frame ([B, F, 1, D] each) in float32."""
    by_frame = norm(hidden.float()).unflatten(1, (scale.shape[1], -1))
    return (by_frame * (1 + scale) + shift).flatten(1, 2).type_as(hidden)


def _gated(hidden: Tensor, change: Tensor, gate: Tensor) -> Tensor:
    """[B, F * S, D], with a change added through a gate [B, F, 1, D] in float32."""
    by_frame = change.float().unflatten(1, (gate.shape[1], -1)) * gate
    return (hidden.float() + by_frame.flatten(1, 2)).type_as(hidden)
