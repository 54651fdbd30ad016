"""The small motion and change of scale that lay depth of several views onto depth that is known. Pure, any thread.

Projective association and Gauss-Newton on relative depth: a point that is moved falls onto a pixel of the known depth,
whose inverse is linear in the picture on any plane; its slopes are fitted over a window because splats are stairs.
What the views do not tell, such as sliding along a wall, stays near zero by a weak prior.
"""

import numpy as np

from spatia.geom.camera import Cameras
from spatia.geom.pose import from_rotation_translation, rotation_about
from spatia.records.arrays import F32, F64, Bool

REACH = 0.1  # relative error in depth beyond which a pixel has no say
NEAR_REACH = 0.03  # the same in the last rounds
ROUNDS = 20
MOST_POINTS = 20_000
WINDOW_PX = 3  # to each side of a pixel
PRIOR = 0.03  # of the pixels' weight, on radians and on parts of the typical depth; much less lets clips slide


def rigid_fit(
    depth_m: F32,  # [K, H, W] 0 where unknown
    weight: F32,  # [K, H, W]
    cameras: Cameras,  # K
    known_m: F32,  # [K, H, W] what the same cameras should see, 0 where unknown
) -> tuple[F64, float]:
    """A motion of the world [4, 4] and a scale: depth times the scale, unprojected and moved, lies on what is known.

    The identity and 1 where nothing overlaps.
    """
    lens = cameras.intrinsics
    inverse, right, down, flat = inverse_slopes(known_m, reach_px=WINDOW_PX)
    stride = max(1, int(np.ceil(np.sqrt(np.count_nonzero(depth_m) / MOST_POINTS))))
    lattice = np.zeros(depth_m.shape, dtype=np.bool_)
    lattice[:, stride // 2 :: stride, stride // 2 :: stride] = True
    t, row, column = np.nonzero(lattice & (depth_m > 0) & (weight > 0))
    moved, scale, total = np.eye(4), 1.0, np.zeros(7)
    if not len(t):
        return moved, scale
    in_camera = lens.rays_in_camera()[row, column] * depth_m[t, row, column, None].astype(np.float64)
    rotation, eye = cameras.world_from_camera[t, :3, :3], cameras.world_from_camera[t, :3, 3]
    trust = weight[t, row, column].astype(np.float64)
    typical_m = float(np.median(in_camera[:, 2]))
    for reach in np.geomspace(REACH, NEAR_REACH, ROUNDS):
        in_world = np.einsum("nij,nj->ni", rotation, in_camera * scale) + eye
        at = in_world @ moved[:3, :3].T + moved[:3, 3]
        x, y, z = np.einsum("nji,nj->ni", rotation, at - eye).T
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = lens.fx_px * x / z + lens.cx_px, lens.fy_px * y / z + lens.cy_px
        seen = (z > 0) & (u >= 0) & (v >= 0) & (u < lens.width_px) & (v < lens.height_px)
        i, j = np.where(seen, v, 0).astype(np.intp), np.where(seen, u, 0).astype(np.intp)
        plane = inverse[t, i, j] + right[t, i, j] * (u - j - 0.5) + down[t, i, j] * (v - i - 0.5)
        error = z * plane - 1
        used = seen & flat[t, i, j] & (np.abs(error) < reach)
        if used.sum() < 10:
            return np.eye(4), 1.0
        x, y, z, error, plane = x[used], y[used], z[used], error[used], plane[used]
        along_x, along_y = right[t, i, j][used] * lens.fx_px, down[t, i, j][used] * lens.fy_px
        in_view = np.stack([along_x, along_y, plane - (along_x * x + along_y * y) / z], axis=1)  # of the error
        push = np.einsum("nij,nj->ni", rotation[used], in_view)
        center = at[used].mean(axis=0)
        about = at[used] - center
        jacobian = np.concatenate([np.cross(about, push), push * typical_m, (z * plane)[:, None]], axis=1)
        say = trust[used] * (1 - (error / reach) ** 2) ** 2
        prior = PRIOR * say.sum() * np.array([1, 1, 1, 1, 1, 1, 0])
        # einsum, for a matrix product's sums depend on how many threads there are.
        normal = np.einsum("ni,nj->ij", jacobian * say[:, None], jacobian) + np.diag(prior)
        step = np.linalg.solve(normal, -np.einsum("n,ni->i", say * error, jacobian) - prior * total)
        total += step
        angle = float(np.linalg.norm(step[:3]))
        turn = rotation_about(step[:3], angle) if angle > 0 else np.eye(3)
        moved = from_rotation_translation(turn, center - turn @ center + step[3:6] * typical_m) @ moved
        scale *= float(np.exp(step[6]))
    return moved, scale


def inverse_slopes(depth_m: F32, *, reach_px: int) -> tuple[F64, F64, F64, Bool]:
    """Inverse depth of [K, H, W], its least-squares slopes along u and v around each pixel, and whether they are good.

    Good is where most of the window is known, on all sides, and lies near one plane.
    """
    known = depth_m > 0
    inverse = np.divide(1.0, depth_m, out=np.zeros(depth_m.shape), where=known)
    height, width = depth_m.shape[1:]
    v, u = (axis.astype(np.float64) for axis in np.mgrid[:height, :width])
    fields = [known, known * u, known * v, known * u * u, known * u * v, known * v * v]
    fields += [inverse, inverse * u, inverse * v, inverse * inverse]
    n, su, sv, suu, suv, svv, y, yu, yv, yy = (_boxes(field, reach_px) for field in fields)
    enough = n > 0.6 * (2 * reach_px + 1) ** 2
    n = np.where(enough, n, 1)
    mu, mv, my = su / n, sv / n, y / n
    cuu, cuv, cvv = suu / n - mu * mu, suv / n - mu * mv, svv / n - mv * mv
    cyu, cyv, cyy = yu / n - my * mu, yv / n - my * mv, yy / n - my * my
    det = cuu * cvv - cuv * cuv
    spread = enough & (det > 0.25 * (reach_px * (reach_px + 1) / 3) ** 2)
    det = np.where(spread, det, 1)
    right, down = (cyu * cvv - cyv * cuv) / det, (cyv * cuu - cyu * cuv) / det
    rest = np.maximum(cyy - right * cyu - down * cyv, 0)
    good = spread & (np.sqrt(rest) < NEAR_REACH * my)
    return inverse, right, down, good & known


def _boxes(field: F64 | Bool, reach_px: int) -> F64:
    """[K, H, W] sums over windows, cut at the borders."""
    sums = field.astype(np.float64)
    for axis in (1, 2):
        length = sums.shape[axis]
        total = np.concatenate([np.zeros_like(sums.take([0], axis)), sums.cumsum(axis)], axis)
        at = np.arange(length)
        high = total.take(np.minimum(at + reach_px + 1, length), axis)
        sums = high - total.take(np.maximum(at - reach_px, 0), axis)
    return sums
