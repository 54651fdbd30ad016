"""The world from above, with the walk drawn in: one small picture a round."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from spatia.geom.pose import F64
from spatia.records.arrays import F32, U8
from spatia.records.cloud import Points

BACKGROUND = (20, 22, 28)
WALKED = (255, 196, 64)
NEW = (90, 220, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The part of the floor that the picture shows, in metres of world x and z."""

    low_x_m: float
    low_z_m: float
    high_x_m: float
    high_z_m: float

    @classmethod
    def around(cls, positions_in_world: F32, poses: F64, *, margin_m: float = 0.5) -> "Extent":
        """All cameras and nearly all points: stray far ones do not shrink the picture."""
        eyes = poses[:, :3, 3]
        low, high = eyes.min(axis=0), eyes.max(axis=0)
        if len(positions_in_world):
            low = np.minimum(low, np.percentile(positions_in_world, 4, axis=0))
            high = np.maximum(high, np.percentile(positions_in_world, 96, axis=0))
        return cls(
            low_x_m=float(low[0]) - margin_m,
            low_z_m=float(low[2]) - margin_m,
            high_x_m=float(high[0]) + margin_m,
            high_z_m=float(high[2]) + margin_m,
        )


def plan_view(
    points: Points,
    poses: F64,  # [n, 4, 4] all poses walked so far
    *,
    new_from: int,  # poses from here on belong to the newest round
    extent: Extent,
    width_px: int = 360,
) -> U8:
    """[h, w, 3] sRGB; up in the picture is world +z. What is above the eye is left out, as ceilings are."""
    scale = width_px / (extent.high_x_m - extent.low_x_m)
    height_px = min(max(16, round((extent.high_z_m - extent.low_z_m) * scale)), 2 * width_px)
    image = np.full((height_px, width_px, 3), BACKGROUND, dtype=np.uint8)
    eye_y = float(np.median(poses[:, 1, 3]))
    position = points.positions_in_world
    below = position[:, 1] > eye_y - 0.2  # OpenCV worlds: larger y is lower
    position, colors = position[below], points.colors[below]
    column = np.floor((position[:, 0] - extent.low_x_m) * scale).astype(np.int64)
    row = np.floor((extent.high_z_m - position[:, 2]) * scale).astype(np.int64)
    inside = (column >= 0) & (column < width_px) & (row >= 0) & (row < height_px)
    # Highest of what is below the eye wins: furniture over floor. A stable sort keeps the picture the same every time.
    order = np.argsort(-position[inside, 1], kind="stable")
    image[row[inside][order], column[inside][order]] = colors[inside][order].astype(np.uint8)

    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    track = [((x - extent.low_x_m) * scale, (extent.high_z_m - z) * scale) for x, _, z in poses[:, :3, 3]]
    if len(track) > 1:
        draw.line(track[: new_from + 1], fill=WALKED, width=2)
        draw.line(track[max(0, new_from - 1) :], fill=NEW, width=2)
    x, y = track[-1]
    ahead = poses[-1, :3, 2]
    draw.line([(x, y), (x + 14 * ahead[0], y - 14 * ahead[2])], fill=(255, 255, 255), width=2)
    draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=(255, 255, 255))
    return np.asarray(picture)
