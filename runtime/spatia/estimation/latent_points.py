"""From latents and depth to latent points: where in the world each cell of a latent frame lies. Pure, any thread.

`corrected`: a cell lies where the pixel nearest to its centre does, so a cell at an edge belongs to one of the two
surfaces and never hangs between them. A cell is left out where half of it or more is excluded, or that very pixel is.
`release`: depth is interpolated to the cells as torch does (bilinear, corners not aligned), and a cell is left out
where the pixel at its upper left corner is excluded; cells count from 0 without a half.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from spatia.errors import InputError
from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, F64, I32, Bool
from spatia.records.latents import I16, LatentGrid, LatentPoints

I64 = npt.NDArray[np.int64]
Pixel = TypeVar("Pixel", bound=np.generic)

LARGEST_I16 = (1 << 15) - 1


def latent_points(
    latents: F32,  # [T, C, h, w]
    depth_m: F32,  # [T, H, W] along +z, 0 where unknown
    cameras: Cameras,  # T, of the pictures
    *,
    grid: LatentGrid,
    clip: int,
    exclude: Bool | None = None,  # [T, H, W] True for what moves, and for the sky
    label: I32 | None = None,  # [T, H, W] object labels, where known
    max_depth_m: float = float("inf"),
) -> LatentPoints:
    """One point for each cell whose place is known, with the label of the pixel that the place came from.

    The nearest to their cameras come first, since of a batch the first point in a voxel counts; under `release` they
    come frame by frame, row by row. Raises `InputError` for latents that are not of this grid or not finite, and for
    depth, masks or labels that do not match the cameras.
    """
    _demand_shape("latents", latents.shape, (len(cameras), grid.channels, grid.height, grid.width))
    if not np.isfinite(latents).all():
        raise InputError("latents must be finite", where="latents", fix="decode them to see what went wrong")
    positions, depth_of_cell, valid = cells_in_world(depth_m, cameras, grid=grid, exclude=exclude)
    valid &= depth_of_cell <= max_depth_m
    labels = np.zeros(valid.shape, np.int16)
    if label is not None:
        labels = _labels(label, cameras, grid)
    chosen = np.flatnonzero(valid)
    if grid.compat == "corrected":
        chosen = chosen[np.argsort(depth_of_cell.reshape(-1)[chosen], kind="stable")]
    with np.errstate(over="ignore"):
        kept = np.moveaxis(latents, 1, -1).reshape(-1, grid.channels)[chosen].astype(grid.dtype)
    if not np.isfinite(kept).all():
        raise InputError(
            f"a latent of {float(np.abs(latents).max()):g} does not fit half precision",
            where="latents",
            fix="decode them to see what went wrong",
        )
    return LatentPoints(
        positions_in_world=positions.reshape(-1, 3)[chosen],
        latents=kept,
        clips=np.full(len(chosen), clip, np.int16),
        labels=labels.reshape(-1)[chosen],
    )


def cells_in_world(
    depth_m: F32, cameras: Cameras, *, grid: LatentGrid, exclude: Bool | None = None
) -> tuple[F32, F32, Bool]:
    """Of every cell, known or not: position in the world [T, h, w, 3], depth along +z [T, h, w], whether it is known.

    A cell without depth is at its camera. Raises `InputError` as `latent_points` does.
    """
    picture = cameras.intrinsics
    shape = (len(cameras), picture.height_px, picture.width_px)
    _demand_shape("depth_m", depth_m.shape, shape)
    if exclude is not None:
        _demand_shape("exclude", exclude.shape, shape)
    z = _bilinear(depth_m, grid) if grid.compat == "release" else _at_centers(depth_m, grid)
    valid = np.isfinite(z) & (z > 0)
    if exclude is not None:
        valid &= ~_excluded(exclude, grid)
    z = np.where(np.isfinite(z), z, 0).astype(np.float32)
    lens = grid.lens(picture)
    rays = np.ones((grid.height, grid.width, 3))
    rays[..., 0] = ((np.arange(grid.width) + grid.center - lens.cx_px) / lens.fx_px)[None, :]
    rays[..., 1] = ((np.arange(grid.height) + grid.center - lens.cy_px) / lens.fy_px)[:, None]
    pose = cameras.world_from_camera
    in_camera = rays * z[..., None].astype(np.float64)
    positions = np.einsum("tij,thwj->thwi", pose[:, :3, :3], in_camera) + pose[:, None, None, :3, 3]
    return positions.astype(np.float32), z, valid


def _excluded(exclude: Bool, grid: LatentGrid) -> Bool:
    """[T, h, w]"""
    if grid.compat == "release":
        rows, columns = _corners(exclude.shape[1], grid.height), _corners(exclude.shape[2], grid.width)
        return exclude[:, rows[:, None], columns]
    t, height, width = exclude.shape
    cells = exclude.reshape(t, grid.height, height // grid.height, grid.width, width // grid.width)
    return np.asarray((cells.mean(axis=(2, 4)) >= 0.5) | _at_centers(exclude, grid))


def _at_centers(pixels: npt.NDArray[Pixel], grid: LatentGrid) -> npt.NDArray[Pixel]:
    """[T, h, w] of [T, H, W]; a centre on a pixel's corner takes the pixel right of and below it."""
    rows, columns = (
        (np.arange(cells) * 2 + 1) * side // (2 * cells)
        for side, cells in ((pixels.shape[1], grid.height), (pixels.shape[2], grid.width))
    )
    return pixels[:, rows[:, None], columns]


def _corners(side: int, cells: int) -> I64:
    return np.arange(cells) * side // cells


def _bilinear(pixels: F32, grid: LatentGrid) -> F32:
    """[T, h, w] of [T, H, W]."""
    top, bottom, below = _between(pixels.shape[1], grid.height)
    left, right, beside = _between(pixels.shape[2], grid.width)
    upper, lower = pixels[:, top].astype(np.float64), pixels[:, bottom].astype(np.float64)
    rows = upper * (1 - below)[:, None] + lower * below[:, None]
    return np.asarray((rows[:, :, left] * (1 - beside) + rows[:, :, right] * beside).astype(np.float32))


def _between(side: int, cells: int) -> tuple[I64, I64, F64]:
    """The pixel before each cell's centre, the one after it, and the weight of the latter."""
    at = np.maximum((np.arange(cells) + 0.5) * side / cells - 0.5, 0)
    first = at.astype(np.int64)
    return first, np.minimum(first + 1, side - 1), at - first


def _labels(label: I32, cameras: Cameras, grid: LatentGrid) -> I16:
    """[T, h, w]"""
    _demand_shape("label", label.shape, (len(cameras), cameras.intrinsics.height_px, cameras.intrinsics.width_px))
    labels = _at_centers(label, grid)
    if np.abs(labels).max(initial=0) > LARGEST_I16:
        raise InputError(
            f"latent points hold labels up to {LARGEST_I16}; got {labels.max()}",
            where="label",
            fix="number objects from 1",
        )
    return labels.astype(np.int16)


def _demand_shape(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        raise InputError(
            f"{name} must have shape {wanted}; got {found}",
            where=name,
            fix="latents, depth and cameras must be of the same frames of one world",
        )
