"""The latent readout in plain numpy: what `latent_readout` must equal, bit for bit. Pure functions, any thread."""

import numpy as np

from spatia.geom.camera import Cameras
from spatia.records.arrays import F64
from spatia.records.latents import GONE, LatentGrid, LatentReadout, LatentSnapshot


def grid_from_world(cameras: Cameras, grid: LatentGrid) -> F64:
    """[T, 3, 4] float64: a point of the world to (u z, v z, z), u and v in cells."""
    return np.ascontiguousarray(grid.lens(cameras.intrinsics).matrix @ cameras.camera_from_world[:, :3])


def read_latents_by_numpy(cloud: LatentSnapshot, cameras: Cameras, *, grid: LatentGrid) -> LatentReadout:
    """Each cell takes the nearest of the living points that fall into it; of equally near ones the lower row's."""
    rows = cloud.rows()
    x, y, z = rows.positions_in_world.astype(np.float64).T
    alive = rows.clips != GONE
    shape = (len(cameras), grid.height, grid.width)
    index = np.full(shape, -1, np.int32)
    depth_m = np.zeros(shape, np.float32)
    latents = np.zeros((len(cameras), grid.height, grid.width, grid.channels), np.float32)
    in_cell = np.rint if grid.compat == "release" else np.floor
    for t, m in enumerate(grid_from_world(cameras, grid)):
        uz, vz, depth = (row[0] * x + row[1] * y + row[2] * z + row[3] for row in m)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            u, v = in_cell(uz / depth), in_cell(vz / depth)
            near_m = depth.astype(np.float32)
        seen = alive & (near_m > 0) & (u >= 0) & (u < grid.width) & (v >= 0) & (v < grid.height)
        found = np.flatnonzero(seen)
        cells = v[found].astype(np.int64) * grid.width + u[found].astype(np.int64)
        order = np.lexsort((found, near_m[found], cells))
        first = order[np.unique(cells[order], return_index=True)[1]]
        at = np.unravel_index(cells[first], shape[1:])
        winners = found[first]
        index[t][at], depth_m[t][at] = winners, near_m[winners]
        latents[t][at] = rows.latents[winners].astype(np.float32)
    return LatentReadout(
        latents=np.ascontiguousarray(np.moveaxis(latents, -1, 1)), visible=index >= 0, depth_m=depth_m, index=index
    )
