"""What one frame of the walk shows, and what drawing it took: plain data, made and read on the main thread."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64, check_poses
from spatia.records.arrays import F32, U8, frozen
from spatia.records.cloud import CloudSnapshot

ColorBy = Literal["rgb", "coverage", "provenance"]
PictureMode = Literal["off", "beside", "over"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """Shapes and types are checked on construction; raises `ValueError`."""

    cloud: CloudSnapshot | None
    world_from_camera: F64  # [4, 4]
    intrinsics: Intrinsics  # of the framebuffer's size
    color_by: ColorBy = "rgb"
    holes: bool = False
    grid: bool = False
    floor_y_m: float = 0.0  # where the grid lies; y points down
    path_in_world: F32 = field(default_factory=lambda: np.empty((0, 3), np.float32))  # [n, 3]
    frusta_world_from_camera: F64 = field(default_factory=lambda: np.empty((0, 4, 4)))  # [k, 4, 4]
    picture: U8 | None = None  # [H, W, 3]
    picture_mode: PictureMode = "off"
    coarse: bool = False  # the world at half the size each way, under words and pictures at full size
    most_points: int | None = None  # of the cloud, though some of each page; None for all that are worth drawing
    highlighted: F32 = field(default_factory=lambda: np.empty((0, 3), np.float32))  # [K, 3] positions in world
    hud: tuple[str, ...] = ()
    panel: tuple[str, ...] = ()  # the first line is its title

    def __post_init__(self) -> None:
        check_poses(self.world_from_camera)
        check_poses(self.frusta_world_from_camera, name="frusta_world_from_camera")
        object.__setattr__(self, "path_in_world", frozen(self.path_in_world, "path_in_world", np.float32, (None, 3)))
        object.__setattr__(self, "highlighted", frozen(self.highlighted, "highlighted", np.float32, (None, 3)))
        if self.picture is not None:
            object.__setattr__(self, "picture", frozen(self.picture, "picture", np.uint8, (None, None, 3)))

    def same_splats(self, other: "View") -> bool:
        """Both show the same points of the same cloud alike, whatever lies over them."""
        return (
            self.cloud is other.cloud
            and np.array_equal(self.world_from_camera, other.world_from_camera)
            and (self.intrinsics, self.color_by, self.most_points)
            == (other.intrinsics, other.color_by, other.most_points)
        )


def window_lens(own: Intrinsics, size_px: tuple[int, int]) -> Intrinsics:
    """A lens with the field of view of `own` from top to bottom, for a framebuffer of any shape."""
    width_px, height_px = size_px
    focal_px = own.fy_px * height_px / own.height_px
    return Intrinsics(
        fx_px=focal_px,
        fy_px=focal_px,
        cx_px=width_px / 2,
        cy_px=height_px / 2,
        width_px=width_px,
        height_px=height_px,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a frame cost."""

    points_drawn: int
    bytes_uploaded: int  # of the cloud's pages
    pages_waiting: int  # whose newest content is not on the device yet
