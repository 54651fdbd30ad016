"""LoRA beside the weights, never in them: switched on and off between clips, the base stays what it was, bit for bit.

Inference on one thread, between forwards.
"""

import warnings
from collections.abc import Mapping

from peft.tuners.lora import LoraLayer
from torch import Tensor

from spatia.networks.transformer import WanControlTransformer


def add_lora(transformer: WanControlTransformer, weights: Mapping[str, Tensor], *, name: str) -> None:
    """Adds an adapter from ``<module>.lora_A.weight`` and ``<module>.lora_B.weight``, switched off.

    The release adds B @ A as it is (spec/spatia_release.md 1.7): no scale of alpha over rank.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Already found a `peft_config`")  # several adapters are meant
        transformer.load_lora_adapter(dict(weights), prefix=None, adapter_name=name)
    for module in transformer.modules():
        if isinstance(module, LoraLayer) and name in module.scaling:
            module.scaling[name] = 1.0
    transformer.disable_lora()


def use_lora(transformer: WanControlTransformer, *names: str) -> None:
    """Switches the named adapters on and all others off."""
    if names:
        transformer.set_adapters(list(names))
        transformer.enable_lora()
    elif getattr(transformer, "peft_config", None):
        transformer.disable_lora()
