"""Which device a network works on. Any thread."""

import torch

from spatia.errors import DeviceError


def device_of(name: str, *, where: str) -> torch.device:
    """`auto` is a GPU where there is one. Raises `DeviceError` for a device that is not here; `where` named it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise _absent(f"there are {torch.cuda.device_count()} CUDA devices here", where, name)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise _absent("there is no Metal device here", where, name)
    return device


def _absent(problem: str, where: str, name: str) -> DeviceError:
    fix = "use auto or cpu, or `spatia doctor` to see what is missing"
    return DeviceError(problem, where=f"{where}: {name}", fix=fix)
