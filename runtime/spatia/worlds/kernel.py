"""The decorator of this package's numba kernels."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])

# Kernels here only read and write arrays that their caller holds. Counting references to a scene's few dozen arrays at
# every ray, from all threads at once, would take most of the time. (The option is not in numba's stubs.)
OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def kernel(function: F) -> F:
    return cast(F, njit(**OPTIONS)(function))
