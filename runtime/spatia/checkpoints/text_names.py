"""What umT5's tensors are called: the authors' names and those of transformers. Plain text, any thread.

The released file is the encoder alone; every block has its own table of relative positions, as transformers' has.
"""

from collections.abc import Mapping

from spatia.checkpoints.names import Table, rename_head, turned
from spatia.checkpoints.tensors import TensorSpec

TRUNK: Table = (("token_embedding", "shared"), ("norm", "encoder.final_layer_norm"))
BLOCK: Table = (
    ("norm1", "layer.0.layer_norm"),
    ("pos_embedding.embedding", "layer.0.SelfAttention.relative_attention_bias"),
    ("attn", "layer.0.SelfAttention"),
    ("norm2", "layer.1.layer_norm"),
    ("ffn.gate.0", "layer.1.DenseReluDense.wi_0"),
    ("ffn.fc1", "layer.1.DenseReluDense.wi_1"),
    ("ffn.fc2", "layer.1.DenseReluDense.wo"),
)
BLOCKS = "encoder.block."


def to_transformers(name: str) -> str:
    """``blocks.3.attn.q.weight`` -> ``encoder.block.3.layer.0.SelfAttention.q.weight``."""
    if name.startswith("blocks."):
        number, _, inner = name.removeprefix("blocks.").partition(".")
        return f"{BLOCKS}{number}.{rename_head(inner, BLOCK)}"
    return rename_head(name, TRUNK)


def to_original(name: str) -> str:
    """Undoes `to_transformers`."""
    if name.startswith(BLOCKS):
        number, _, inner = name.removeprefix(BLOCKS).partition(".")
        return f"blocks.{number}.{rename_head(inner, turned(BLOCK))}"
    return rename_head(name, turned(TRUNK))


def config_of(tensors: Mapping[str, TensorSpec]) -> dict[str, int]:
    """The arguments of transformers' ``UMT5Config`` that the shapes in the authors' file tell; the others are defaults.

    Raises `KeyError` with the name of a tensor that is needed for it and is not there.
    """
    vocabulary, width = tensors["token_embedding.weight"].shape
    buckets, heads = tensors["blocks.0.pos_embedding.embedding.weight"].shape
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": tensors["blocks.0.attn.q.weight"].shape[0] // heads,
        "d_ff": tensors["blocks.0.ffn.fc1.weight"].shape[0],
        "num_heads": heads,
        "num_layers": len({name.split(".")[1] for name in tensors if name.startswith("blocks.")}),
        "relative_attention_num_buckets": buckets,
    }
