"""Where the network works. Any thread."""

import torch

from spatia.errors import DeviceError


def device_of(name: str) -> torch.device:
    """Raises `DeviceError` for one that is not here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"there are {torch.cuda.device_count()} CUDA devices here",
            where=f"estimation.segmenter.device: {name}",
            fix="use auto or cpu, or `spatia doctor` to see what is missing",
        )
    return device
