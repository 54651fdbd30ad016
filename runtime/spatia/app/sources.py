"""Opens the world that a scene names: first points, first frames, where the walk begins, and the truth if there is one.

Runs on the main thread, before the first tick.
"""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from math import radians
from pathlib import Path
from typing import Any

import numpy as np

from spatia.errors import InputError, StoreError
from spatia.estimation.convention import check_convention
from spatia.estimation.free_space import sight_votes
from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.given import GivenDepth
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import F64, from_rotation_translation
from spatia.memory.cloud import PointMemory
from spatia.memory.edits import History
from spatia.records.arrays import F32, U8, Bool
from spatia.records.cloud import INITIAL_CLIP
from spatia.records.frames import Frames
from spatia.records.geometry import DynamicSegmenter, Geometry, SceneEstimator, Sighting
from spatia.records.truth import TrueScene
from spatia.scene.build_paths import intrinsics_of, start_pose_of
from spatia.scene.schema import Camera, Lens, PhotoWorld, PlyWorld, ProceduralWorld, RgbdWorld, SavedWorld, Scene
from spatia.scene.schema_estimation import OracleSegmenter
from spatia.store.folder import open_store
from spatia.store.protocol import SavedCloud
from spatia.worlds.photo_case import read_photo_case
from spatia.worlds.ply import read_ply
from spatia.worlds.procedural import procedural_world
from spatia.worlds.rgbd_folder import open_rgbd_folder

DEFAULT_FOV_Y_RAD = radians(60)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedWorld:
    """Where a run begins."""

    memory: PointMemory
    start: F64  # [4, 4]
    intrinsics: Intrinsics  # of the walking camera
    frames: Frames | None = None  # photographs of the world with depth, as first references
    moving: Bool | None = None  # [T, H, W] what moves in the frames, where it is known
    truth: TrueScene | None = None

    @property
    def labels(self) -> dict[str, int]:
        """Of the world's objects by name; none where it does not know itself."""
        return {} if self.truth is None else self.truth.labels()


def reopened_world(scene: Scene, payload: dict[str, Any]) -> OpenedWorld:
    """The world of a store, from the payload of its first commit: no file that the scene names is asked again."""
    truth = procedural_world(scene.world.name) if isinstance(scene.world, ProceduralWorld) else None
    return OpenedWorld(
        memory=PointMemory(voxel_m=scene.memory.rgb.voxel_m, max_points=scene.memory.rgb.max_points),
        start=np.array(payload["start"], dtype=np.float64),
        intrinsics=_kept_lens(payload),
        truth=truth,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """Who looks at a world's photographs before the walk."""

    open_estimator: Callable[[], SceneEstimator]  # gives depth to a photo that comes without
    # Finds what moves, where the scene tells it what to look for: in photographs nothing contradicts a mover.
    open_segmenter: Callable[[Intrinsics], DynamicSegmenter] | None


def open_world(scene: Scene, *, look: FirstLook | None) -> OpenedWorld:
    """The world of a scene; without its content, where there is no `look` and only the start of the walk matters.

    Raises `SpatiaError` for data that cannot be read, and for a photo whose depth cannot be had.
    """
    memory = PointMemory(voxel_m=scene.memory.rgb.voxel_m, max_points=scene.memory.rgb.max_points)
    match scene.world:
        case ProceduralWorld():
            return _procedural(scene, scene.world, memory, look)
        case RgbdWorld():
            return _rgbd(scene, scene.world, memory, look)
        case PlyWorld():
            return _ply(scene, scene.world, memory)
        case PhotoWorld():
            return _photo(scene, scene.world, memory, look)
        case SavedWorld():
            return _saved(scene, scene.world)


def _procedural(scene: Scene, world: ProceduralWorld, memory: PointMemory, look: FirstLook | None) -> OpenedWorld:
    truth = procedural_world(world.name)
    intrinsics = walking_intrinsics(scene.camera, own=None)
    start = start_pose_of(scene.camera.start) if scene.camera.start else truth.start_pose
    if look is None:
        return OpenedWorld(memory=memory, start=start, intrinsics=intrinsics, truth=truth)
    cameras = Cameras(world_from_camera=start[None], intrinsics=intrinsics)
    time_s = np.zeros(1, dtype=np.float32)
    seen = truth.render(cameras, time_s)
    frames = Frames(rgb=seen.rgb, cameras=cameras, time_s=time_s, depth_m=seen.depth_m)
    # Nothing contradicts a single picture: only one who knows, or has been told, can say what moves in it.
    knows = isinstance(scene.estimation.segmenter, OracleSegmenter)
    moving = seen.moving if knows else _moving(frames, look)
    memory.insert(
        points_of_geometry(
            frames,
            Geometry(
                cameras=cameras,
                depth_m=seen.depth_m,
                confidence=np.ones_like(seen.depth_m),
                label=seen.label,
            ),
            moving=moving,
            clip=INITIAL_CLIP,
            max_depth_m=scene.estimation.max_depth_m,
        )
    )
    return OpenedWorld(
        memory=memory,
        frames=_without(moving, frames),
        moving=moving,
        start=start,
        intrinsics=intrinsics,
        truth=truth,
    )


def _rgbd(scene: Scene, world: RgbdWorld, memory: PointMemory, look: FirstLook | None) -> OpenedWorld:
    folder = open_rgbd_folder(
        world.path,
        color_intrinsics=_lens(world.color_intrinsics),
        depth_intrinsics=_lens(world.depth_intrinsics),
        depth_scale_m=world.depth_scale_m,
    )
    chosen = range(len(folder))[world.frames.first : world.frames.stop : world.frames.every]
    if not chosen:
        raise InputError(
            f"no frame is chosen: the folder has {len(folder)}", where=str(world.path), fix="widen world.frames"
        )
    intrinsics = walking_intrinsics(scene.camera, own=folder.color_intrinsics)
    poses = folder.poses[np.asarray(chosen)]
    start = start_pose_of(scene.camera.start) if scene.camera.start else poses[0]
    if look is None:
        return OpenedWorld(memory=memory, start=start, intrinsics=intrinsics)
    color, depth = folder.color_intrinsics, folder.depth_intrinsics
    seen = [_seen_through(frame.rgb, frame.depth_m, color, depth, intrinsics) for frame in map(folder.read, chosen)]
    frames = Frames(
        rgb=np.stack([rgb for rgb, _ in seen]),
        cameras=Cameras(world_from_camera=poses, intrinsics=intrinsics),
        time_s=np.zeros(len(seen), dtype=np.float32),
        depth_m=np.stack([depth_m for _, depth_m in seen]),
    )
    check_convention(frames, where=str(world.path), given_as="camera_to_world")
    moving = _moving(frames, look)
    for n, frame in enumerate(map(folder.read, chosen)):
        photo = Frames(
            rgb=frame.rgb[None],
            cameras=Cameras(world_from_camera=poses[n : n + 1], intrinsics=color),
            time_s=np.zeros(1, dtype=np.float32),
        )
        cloud = memory.snapshot()
        measured = GivenDepth(frame.depth_m[None], depth_intrinsics=depth).estimate(Sighting.of(photo), cloud=cloud)
        moved = None if moving is None else _on_raster(moving[n], intrinsics, color)[None]
        points = points_of_geometry(
            photo, measured, moving=moved, clip=INITIAL_CLIP, max_depth_m=scene.estimation.max_depth_m
        )
        memory.insert(points, votes=sight_votes(measured, cloud=cloud, moving=moved, moving_lens=color))
    return OpenedWorld(
        memory=memory,
        frames=_without(moving, frames),
        moving=moving,
        start=start,
        intrinsics=intrinsics,
    )


def _photo(scene: Scene, world: PhotoWorld, memory: PointMemory, look: FirstLook | None) -> OpenedWorld:
    case = read_photo_case(world.path)
    camera = case.cameras[:1]
    lens = camera.intrinsics
    start = start_pose_of(scene.camera.start) if scene.camera.start else camera.world_from_camera[0]
    intrinsics = walking_intrinsics(scene.camera, own=lens)
    if look is None:
        return OpenedWorld(memory=memory, start=start, intrinsics=intrinsics)
    photo = Frames(
        rgb=case.rgb[None],
        cameras=camera,
        time_s=np.zeros(1, dtype=np.float32),
        depth_m=None if case.depth_m is None else case.depth_m[None],
    )
    with closing(GivenDepth() if case.depth_m is not None else look.open_estimator()) as estimator:
        geometry = estimator.estimate(Sighting.of(photo), cloud=memory.snapshot())
    rgb, depth_m = _seen_through(case.rgb, geometry.depth_m[0], lens, geometry.cameras.intrinsics, intrinsics)
    frames = Frames(
        rgb=rgb[None],
        cameras=Cameras(world_from_camera=camera.world_from_camera, intrinsics=intrinsics),
        time_s=np.zeros(1, dtype=np.float32),
        depth_m=depth_m[None],
    )
    found = _moving(frames, look)
    moving = np.zeros(case.rgb.shape[:2], dtype=np.bool_) if case.mask is None else case.mask
    if found is not None:
        moving = moving | _on_raster(found[0], intrinsics, lens)
    walked = _on_raster(moving, lens, intrinsics)[None]
    max_depth_m = scene.estimation.max_depth_m
    memory.insert(points_of_geometry(photo, geometry, moving=moving[None], clip=INITIAL_CLIP, max_depth_m=max_depth_m))
    return OpenedWorld(
        memory=memory,
        frames=_without(walked, frames),
        moving=walked,
        start=start,
        intrinsics=intrinsics,
    )


def _moving(frames: Frames, look: FirstLook) -> Bool | None:
    """[T, H, W] what the scene's segmenter finds in photographs with depth."""
    if look.open_segmenter is None:
        return None
    assert frames.depth_m is not None
    known = (frames.depth_m > 0).astype(np.float32)
    geometry = Geometry(cameras=frames.cameras, depth_m=frames.depth_m, confidence=known)
    with closing(look.open_segmenter(frames.cameras.intrinsics)) as segmenter:
        return segmenter.segment(Sighting.of(frames), geometry, cloud=PointMemory().snapshot())


def _without(moving: Bool | None, frames: Frames) -> Frames:
    """The frames without the depth of what moves."""
    if moving is None or frames.depth_m is None:
        return frames
    return replace(frames, depth_m=np.where(moving, np.float32(0), frames.depth_m))


def _on_raster(mask: Bool, seen_by: Intrinsics, wanted: Intrinsics) -> Bool:
    """A mask of one lens on the raster of another at the same place; False outside."""
    values, inside = _lookup(mask, wanted.rays_in_camera(), seen_by)
    return np.asarray(values & inside)


def _ply(scene: Scene, world: PlyWorld, memory: PointMemory) -> OpenedWorld:
    points = read_ply(world.path, max_points=scene.memory.rgb.max_points).points
    if not len(points):
        raise InputError("the cloud is empty", where=str(world.path), fix="name a PLY file with points")
    memory.insert(points)
    position = points.positions_in_world
    low, high = np.percentile(position, [2, 98], axis=0)
    # In the middle, a third of the depth behind it, looking along +z.
    eye = np.array([0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), low[2] - 0.3 * (high[2] - low[2])])
    start = start_pose_of(scene.camera.start) if scene.camera.start else from_rotation_translation(np.eye(3), eye)
    intrinsics = walking_intrinsics(scene.camera, own=None)
    return OpenedWorld(memory=memory, start=start, intrinsics=intrinsics)


def _saved(scene: Scene, world: SavedWorld) -> OpenedWorld:
    """The cloud of a saved world as it stands, with its voxel size; its frames stay with the run that saw them."""
    with open_store(world_folder(world.path), read_only=True) as store:
        first, head = next(store.log(), None), store.head
        if first is None or head is None:
            raise StoreError("the world has no commit yet", where=str(world.path), fix="finish the run that began it")
        saved = store.load_cloud(head.number)
    memory = memory_of(saved, max_points=scene.memory.rgb.max_points)
    began = np.array(first.payload["start"], dtype=np.float64)
    start = start_pose_of(scene.camera.start) if scene.camera.start else began
    intrinsics = walking_intrinsics(scene.camera, own=_kept_lens(first.payload))
    return OpenedWorld(memory=memory, start=start, intrinsics=intrinsics)


def memory_of(saved: SavedCloud, *, max_points: int, history: History | None = None) -> PointMemory:
    """The memory whose cloud a commit holds. Raises `StoreError` for pages that no memory can have written."""
    return PointMemory.restore(
        voxel_m=saved.voxel_m,
        max_points=max_points,
        row_count=saved.row_count,
        version=saved.version,
        pages=saved.pages,
        history=history,
    )


def world_folder(path: Path) -> Path:
    """A world, or the world of a run folder."""
    return path / "world" if (path / "world").is_dir() else path


def walking_intrinsics(camera: Camera, *, own: Intrinsics | None) -> Intrinsics:
    """The scene's lens: as given, or the world's own at the scene's size, or 60 degrees high."""
    given = intrinsics_of(camera)
    if given is not None:
        return given
    width_px, height_px = camera.width_px, camera.height_px
    if own is None:
        return Intrinsics.from_fov(fov_y_rad=DEFAULT_FOV_Y_RAD, width_px=width_px, height_px=height_px)
    # Square pixels at the same horizontal angle; another aspect ratio crops or widens the height.
    focal_px = own.fx_px * width_px / own.width_px
    return Intrinsics(
        fx_px=focal_px,
        fy_px=focal_px,
        cx_px=0.5 * width_px,
        cy_px=0.5 * height_px,
        width_px=width_px,
        height_px=height_px,
    )


def _kept_lens(payload: dict[str, Any]) -> Intrinsics:
    """Of a first commit's payload."""
    return Intrinsics(**{name: payload["lens"][name] for name in Intrinsics.__dataclass_fields__})


def _lens(lens: Lens | None) -> Intrinsics | None:
    return None if lens is None else Intrinsics(**lens.model_dump())


def _seen_through(rgb: U8, depth_m: F32, color: Intrinsics, depth: Intrinsics, walking: Intrinsics) -> tuple[U8, F32]:
    """A picture and its depth resampled to the walking camera at the same place: colour and depth, black and 0 outside.

    A camera that only has another lens sees along the same rays, so each raster is looked up directly. Colours are the
    mean over the pixel where the picture is finer; depth is the nearest pixel's: a mean would float between surfaces.
    """
    finer = max(1, round(color.fx_px / walking.fx_px))
    height_px, width_px = walking.height_px, walking.width_px
    fine = walking.resized(width_px=width_px * finer, height_px=height_px * finer)
    colors, inside = _lookup(rgb, fine.rays_in_camera(), color)
    picture = colors.reshape(height_px, finer, width_px, finer, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    seen = np.asarray(inside.reshape(height_px, finer, width_px, finer).all(axis=(1, 3)))
    found_m, measured = _lookup(depth_m, walking.rays_in_camera(), depth)
    return np.where(seen[..., None], picture, np.uint8(0)), np.where(measured & seen, found_m, np.float32(0))


def _lookup(image: np.ndarray, rays: F32, lens: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    column = np.floor(rays[..., 0] * lens.fx_px + lens.cx_px).astype(np.int64)
    row = np.floor(rays[..., 1] * lens.fy_px + lens.cy_px).astype(np.int64)
    inside = (column >= 0) & (column < lens.width_px) & (row >= 0) & (row < lens.height_px)
    return image[np.clip(row, 0, lens.height_px - 1), np.clip(column, 0, lens.width_px - 1)], inside


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
