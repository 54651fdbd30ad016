"""A network of transformers from a folder in its layout: safetensors alone, float32, nothing downloaded. Any thread."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers.utils import logging

from spatia.errors import InputError


def load_pretrained(network_class: Any, folder: Path, *, what: str, fix: str) -> tuple[Any, list[str]]:
    """The network on the CPU, ready to answer, and the names of tensors that the folder lacks.

    Raises `InputError` for files that are damaged or another network's; `what` and `fix` are its words.
    """
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # it would be drawn across the console
    try:
        network, found = network_class.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{what} cannot be loaded: {reason}", where=str(folder), fix=fix) from error
    finally:
        if bars:
            logging.enable_progress_bar()
    return network.eval(), sorted(found["missing_keys"])
