"""A folder of golden numbers, how ours compare with it, and what a checker of one kind of folder has to offer."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spatia.errors import DeviceError, InputError
from spatia.geom.camera import Intrinsics

Tensor = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCase:
    """The tensors of a folder and the sizes that go with them."""

    folder: Path
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "GoldenCase":
        """Raises `InputError` where there is no readable tensors.safetensors or config.json."""
        try:
            from safetensors import SafetensorError
            from safetensors.numpy import load_file
        except ImportError as error:
            raise DeviceError("safetensors is not installed", fix="pip install 'spatia-runtime[test]'") from error
        path, config_path = folder / "tensors.safetensors", folder / "config.json"
        if not path.is_file():
            raise InputError(
                "no tensors.safetensors here", where=str(folder), fix="give a folder that holds golden numbers"
            )
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"not a safetensors file: {error}", where=str(path), fix="copy the file again") from error
        try:
            config = json.loads(config_path.read_text(encoding="utf-8")) if config_path.exists() else {}
        except (ValueError, OSError) as error:
            raise InputError(f"not JSON: {error}", where=str(config_path), fix="copy the file again") from error
        if not isinstance(config, dict):
            raise InputError(f"must be a JSON object; got {type(config).__name__}", where=str(config_path))
        return cls(folder=folder, tensors=tensors, config=config)

    def floats(self, name: str, *shape: int | None) -> npt.NDArray[np.float32]:
        """One input tensor as float32. Raises `InputError` for another shape (None stands for any length)."""
        tensor = self.tensors[name]
        if tensor.ndim != len(shape) or any(w is not None and w != g for w, g in zip(shape, tensor.shape, strict=True)):
            wanted = ", ".join("any" if side is None else str(side) for side in shape)
            raise InputError(f"{name} must have shape ({wanted}); got {tensor.shape}", where=str(self.folder))
        if not np.isfinite(tensor).all():
            raise InputError(f"{name} must be finite", where=str(self.folder))
        return np.ascontiguousarray(tensor, dtype=np.float32)

    def intrinsics(self, *, height_px: int, width_px: int) -> Intrinsics:
        fx, fy, cx, cy = self.floats("intrinsics_fxfycxcy", 4).tolist()
        try:
            return Intrinsics(fx_px=fx, fy_px=fy, cx_px=cx, cy_px=cy, width_px=width_px, height_px=height_px)
        except ValueError as error:
            raise InputError(f"intrinsics_fxfycxcy: {error}", where=str(self.folder)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One tensor of ours beside the golden one. For what must be exact, `limit` is 0."""

    name: str
    max_abs_error: float
    limit: float
    by: str = ""  # which of several implementations
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.max_abs_error <= self.limit  # False for NaN

    def __str__(self) -> str:
        by = f" ({self.by})" if self.by else ""
        note = f"  {self.note}" if self.note else ""
        verdict = "ok  " if self.ok else "FAIL"
        return f"{verdict}  {self.name + by:34} max abs error {self.max_abs_error:<10.4g} limit {self.limit:.4g}{note}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An implementation that cannot run on this machine."""

    by: str
    reason: str

    def __str__(self) -> str:
        return f"skip  {self.by}: {self.reason}"


class Checker(Protocol):
    """One kind of golden folder. To support another kind, write one of these and add it to check_golden's list."""

    @property
    def inputs(self) -> frozenset[str]:
        """The tensors it starts from."""
        ...

    def recognises(self, case: GoldenCase) -> bool: ...

    def check(self, case: GoldenCase) -> Iterator[Comparison | Skipped]:
        """Raises `InputError` for a folder it recognises but cannot use."""
        ...


def compared(name: str, ours: Tensor, golden: Tensor, *, limit: float, by: str = "") -> Comparison:
    """The largest difference of two tensors; infinite where their shapes differ or ours is not finite."""
    if ours.shape != golden.shape:
        note = f"shape {ours.shape}, golden {golden.shape}"
        return Comparison(name=name, max_abs_error=math.inf, limit=limit, by=by, note=note)
    error = np.abs(ours.astype(np.float64) - golden.astype(np.float64))
    worst = float(error.max(initial=0.0))
    beyond = int((~(error <= limit)).sum())
    return Comparison(
        name=name,
        max_abs_error=worst if math.isfinite(worst) else math.inf,
        limit=limit,
        by=by,
        note=f"{beyond} of {error.size} entries beyond it" if beyond else "",
    )
