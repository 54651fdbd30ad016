"""One check for every array that enters a record."""

from typing import Any

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


def frozen(array: npt.NDArray[Any], name: str, dtype: type, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """`array` itself, read-only. Raises `ValueError` for another dtype or shape (None stands for any length)."""
    if array.dtype != np.dtype(dtype):
        raise ValueError(f"{name} must be {np.dtype(dtype).name}; got {array.dtype.name}")
    wanted = "(" + ", ".join("any" if side is None else str(side) for side in shape) + ")"
    if array.ndim != len(shape) or any(w is not None and w != g for w, g in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have shape {wanted}; got {array.shape}")
    view = array.view()
    view.flags.writeable = False
    return view
