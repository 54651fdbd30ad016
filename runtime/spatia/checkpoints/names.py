"""What the transformer's tensors are called: the authors' names and diffusers'. Plain text, any thread.

Wan's checkpoints, Spatia's control file and its LoRA use the authors' names; our modules use those of diffusers. The
two tables below are the whole difference (spec/spatia_release.md 1.4). A name in neither is the same in both.
"""

from collections.abc import Iterable

Table = tuple[tuple[str, str], ...]

TRUNK: Table = (
    ("text_embedding.0", "condition_embedder.text_embedder.linear_1"),
    ("text_embedding.2", "condition_embedder.text_embedder.linear_2"),
    ("time_embedding.0", "condition_embedder.time_embedder.linear_1"),
    ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
    ("time_projection.1", "condition_embedder.time_proj"),
    ("head.head", "proj_out"),
    ("head.modulation", "scale_shift_table"),
)
# Within `blocks.N` and `vace_blocks.N`. The authors number the norms by kind, diffusers by the order of their use.
BLOCK: Table = (
    *(
        (f"{theirs}.{part}", f"{ours}.{renamed}")
        for theirs, ours in (("self_attn", "attn1"), ("cross_attn", "attn2"))
        for part, renamed in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("o", "to_out.0"))
    ),
    ("self_attn", "attn1"),
    ("cross_attn", "attn2"),
    ("norm3", "norm2"),
    ("ffn.0", "ffn.net.0.proj"),
    ("ffn.2", "ffn.net.2"),
    ("modulation", "scale_shift_table"),
    ("before_proj", "proj_in"),
    ("after_proj", "proj_out"),
)
CONTROL_PREFIX = "vace_"
# What training code puts before the transformer's own names in a LoRA file. The release keeps what has the first one.
LORA_OWNERS = ("pipe.dit.", "diffusion_model.", "transformer.")


def to_diffusers(name: str) -> str:
    """``blocks.3.self_attn.q.weight`` -> ``blocks.3.attn1.to_q.weight``."""
    return _rename(name, TRUNK, BLOCK)


def to_original(name: str) -> str:
    """``blocks.3.attn1.to_q.weight`` -> ``blocks.3.self_attn.q.weight``; undoes `to_diffusers`."""
    return _rename(name, turned(TRUNK), turned(BLOCK))


def lora_names(names: Iterable[str]) -> dict[str, str]:
    """The names of a LoRA file's tensors -> what our modules call them: ``blocks.3.attn1.to_q.lora_A.weight``.

    Takes ``pipe.dit.blocks.3.self_attn.q.lora_A[.adapter].weight``, the same after ``diffusion_model.`` or
    ``transformer.``, and bare names. Where one of these prefixes occurs, names without it belong to another network and
    are left out, as the release does.
    """
    listed = list(names)
    for owner in LORA_OWNERS:
        owned = [name for name in listed if owner in name]
        if owned:
            return {name: _of_lora(name.partition(owner)[2]) for name in owned}
    return {name: _of_lora(name) for name in listed}


def _of_lora(name: str) -> str:
    for factor in ("lora_A", "lora_B"):
        module, found, rest = name.partition(f".{factor}.")
        if found and rest.count(".") <= 1 and rest.endswith("weight"):  # `weight` or `adapter.weight`
            return f"{to_diffusers(module)}.{factor}.weight"
    return name


def rename_head(name: str, table: Table) -> str:
    """`name` with its first whole parts exchanged by the first row of `table` that fits."""
    for old, new in table:
        if name == old or name.startswith(f"{old}."):
            return new + name[len(old) :]
    return name


def turned(table: Table) -> Table:
    return tuple((new, old) for old, new in table)


def _rename(name: str, trunk: Table, block: Table) -> str:
    stack, _, rest = name.partition(".")
    if stack in ("blocks", f"{CONTROL_PREFIX}blocks"):
        number, _, inner = rest.partition(".")
        return f"{stack}.{number}.{rename_head(inner, block)}"
    return rename_head(name, trunk)
