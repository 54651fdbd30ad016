"""Checks folders like memory_a: the latent cloud of two updates and what several cameras read from it.

Places and latents hold within 1e-4, masks exactly. The release writes the points of a view into its cells from the
farthest to the nearest and trusts the last write to win. Where a view has some hundred points, torch shares the writes
among threads, and in a cell with several points whichever thread came last has won: of the golden cells the same number
would come out differently on the next run, and some are half one point and half another. So in such a cell each number
may be that of any of its points; how often it is not the nearest's is told. Ours is always the nearest's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from spatia.errors import InputError
from spatia.estimation.latent_points import cells_in_world, latent_points
from spatia.geom.camera import Cameras, Intrinsics
from spatia.memory.latent_cloud import LatentCloud
from spatia.projection.latent_readout import read_latents
from spatia.projection.latent_reference import read_latents_by_numpy
from spatia.records.arrays import F32, Bool
from spatia.records.latents import LatentGrid, LatentPoints, LatentReadout, LatentSnapshot, snapshot_of_latents
from tools.golden.comparison import Comparison, GoldenCase, Skipped, compared

LIMIT = 1e-4
READERS = {"numba": read_latents, "numpy": read_latents_by_numpy}


class LatentChecker:
    """One view with a mask, then more views without one, as the release does it."""

    inputs = frozenset({"depth0", "K", "c2w0", "exclude_mask0", "latent0", "depth1", "c2w1", "latent1", "target_c2w"})

    def recognises(self, case: GoldenCase) -> bool:
        return self.inputs <= case.tensors.keys()

    def check(self, case: GoldenCase) -> Iterator[Comparison | Skipped]:
        first, second = _Update.both(case)
        cloud = LatentCloud(first.grid, voxel_m=0.01)
        golden = {name: case.tensors[name] for name in case.tensors.keys() & _OUTPUTS}
        if "K_latent" in golden:
            yield compared("K_latent", first.grid.lens(first.picture).matrix, golden["K_latent"], limit=LIMIT)
        if "points_world0" in golden:
            yield compared("points_world0", first.places, golden["points_world0"], limit=LIMIT)
        if "valid0" in golden:
            yield compared("valid0", first.valid, golden["valid0"], limit=0)
        if "points_world_after" in golden:
            places = np.concatenate([first.places, second.places])
            yield compared("points_world_after", places, golden["points_world_after"], limit=LIMIT)
        targets = _cameras(case, "target_c2w", first.picture)
        for update, when in ((first, "before"), (second, "after")):
            cloud.insert(update.points, fingerprint="golden")
            for by, read in READERS.items():
                seen = read(cloud.snapshot(), targets, grid=first.grid)
                if f"visible_{when}" in golden:
                    yield compared(f"visible_{when}", seen.visible, golden[f"visible_{when}"], limit=0, by=by)
                if f"readout_{when}" in golden:
                    accepted, farther = _accepted(seen, golden[f"readout_{when}"], cloud.snapshot(), targets)
                    result = compared(f"readout_{when}", accepted, golden[f"readout_{when}"], limit=LIMIT, by=by)
                    yield replace(result, note=f"{result.note}  {farther} cells hold a farther point".strip())


_OUTPUTS = {"K_latent", "points_world0", "valid0", "points_world_after"} | {
    f"{what}_{when}" for what in ("readout", "visible") for when in ("before", "after")
}


def _accepted(seen: LatentReadout, golden: F32, cloud: LatentSnapshot, targets: Cameras) -> tuple[F32, int]:
    """Our readout, but with the numbers of farther points of the same cell where the golden one holds those.

    Returns also in how many cells that is so. Goes through the points of a cell by taking the nearest away.
    """
    latents = seen.latents.copy()
    if golden.shape != latents.shape:
        return latents, 0
    rows = cloud.rows()
    for t in range(len(targets)):
        left = np.ones(len(rows), np.bool_)
        index = seen.index[t]
        while (index >= 0).any():
            left[np.flatnonzero(left)[index[index >= 0]]] = False
            behind = snapshot_of_latents(rows[left], grid=cloud.grid)
            layer = read_latents(behind, targets[t : t + 1], grid=cloud.grid)
            index = layer.index[0]
            off = (np.abs(latents[t] - golden[t]) > LIMIT) & layer.visible[0]
            found = off & (np.abs(layer.latents[0] - golden[t]) <= LIMIT)
            latents[t][found] = layer.latents[0][found]
    return latents, int((latents != seen.latents).any(axis=1).sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Update:
    """One update: the places of all its cells, and the points that enter the cloud."""

    picture: Intrinsics
    grid: LatentGrid
    places: F32  # [T h w, 3]
    valid: Bool  # [T h w]
    points: LatentPoints

    @classmethod
    def of(cls, cameras: Cameras, latents: F32, depth_m: F32, exclude: Bool | None = None) -> "_Update":
        _, channels, height, width = latents.shape
        grid = LatentGrid(channels=channels, height=height, width=width, compat="release")
        places, _, valid = cells_in_world(depth_m, cameras, grid=grid, exclude=exclude)
        return cls(
            picture=cameras.intrinsics,
            grid=grid,
            places=places.reshape(-1, 3),
            valid=valid.reshape(-1),
            points=latent_points(latents, depth_m, cameras, grid=grid, clip=0, exclude=exclude),
        )

    @classmethod
    def both(cls, case: GoldenCase) -> tuple["_Update", "_Update"]:
        depths = case.floats("depth0", None, None)[None], case.floats("depth1", None, None, None)
        exclude = case.floats("exclude_mask0", None, None)[None] > 0.5
        picture = _picture(case, depths[0])
        latents = np.moveaxis(case.floats("latent0", None, 1, None, None), 1, 0)  # [C, T, h, w], as encoded
        return (
            cls.of(_cameras(case, "c2w0", picture), latents, depths[0], exclude),
            cls.of(_cameras(case, "c2w1", picture), case.floats("latent1", None, *latents.shape[1:]), depths[1]),
        )


def _cameras(case: GoldenCase, name: str, picture: Intrinsics) -> Cameras:
    try:
        return Cameras(world_from_camera=case.tensors[name].reshape(-1, 4, 4), intrinsics=picture)
    except ValueError as error:
        raise InputError(f"{name}: {error}", where=str(case.folder)) from error


def _picture(case: GoldenCase, depth_m: F32) -> Intrinsics:
    (fx, _, cx), (_, fy, cy), _ = case.floats("K", 3, 3).tolist()
    height_px, width_px = depth_m.shape[1:]
    try:
        return Intrinsics(fx_px=fx, fy_px=fy, cx_px=cx, cy_px=cy, width_px=width_px, height_px=height_px)
    except ValueError as error:
        raise InputError(f"K: {error}", where=str(case.folder)) from error
