"""From what a scene says of cameras and paths to intrinsics and poses. Pure but for reading path files; any thread."""

import math
from collections.abc import Sequence

import numpy as np

from spatia.errors import SceneError
from spatia.geom import path as moves
from spatia.geom.camera import Intrinsics
from spatia.geom.path_files import read_path
from spatia.geom.pose import F64, look_at
from spatia.scene.schema import Camera
from spatia.scene.schema_paths import (
    MAX_FRAMES,
    BackToStart,
    Dolly,
    FromFile,
    Hold,
    Keyframes,
    Orbit,
    Pan,
    PathSegment,
    Pedestal,
    Roll,
    Spiral,
    Start,
    Tilt,
    Travelling,
    Truck,
    Viewpoint,
)

TURN_FRAMES = 12  # half a second at 24 frames a second: how long `look_at` and `look_ahead` take to turn there


def intrinsics_of(camera: Camera) -> Intrinsics | None:
    """The lens that the scene gives, or None where it leaves that to the world."""
    if camera.fov_y_deg is not None:
        fov_y_rad = math.radians(camera.fov_y_deg)
        return Intrinsics.from_fov(fov_y_rad=fov_y_rad, width_px=camera.width_px, height_px=camera.height_px)
    if camera.fx_px is None:
        return None
    return Intrinsics(
        fx_px=camera.fx_px,
        fy_px=camera.fx_px if camera.fy_px is None else camera.fy_px,
        cx_px=0.5 * camera.width_px if camera.cx_px is None else camera.cx_px,
        cy_px=0.5 * camera.height_px if camera.cy_px is None else camera.cy_px,
        width_px=camera.width_px,
        height_px=camera.height_px,
    )


def start_pose_of(start: Start) -> F64:
    """world_from_camera [4, 4]"""
    if isinstance(start, Viewpoint):
        return look_at(start.eye, start.look_at)
    return np.array(start.pose)


def new_poses(segments: Sequence[PathSegment], walked: F64, *, where_of: Sequence[str] = ()) -> F64:
    """The poses [T, 4, 4] that `segments` add to a walk [N, 4, 4] with N >= 1, which they continue from its last pose.

    `where_of` names each segment for errors. Raises `SceneError` for a segment that cannot be walked and `InputError`
    for a path file.
    """
    begun = len(walked)
    for index, segment in enumerate(segments):
        where = where_of[index] if where_of else f"path.{index}"
        try:
            poses = _segment_poses(segment, walked)
        except ValueError as error:
            raise SceneError(str(error), where=where) from error
        walked = moves.then(walked, poses)
        if len(walked) > MAX_FRAMES:
            raise SceneError(f"the walk is longer than {MAX_FRAMES:,} frames", where=where, fix="use fewer frames")
    return walked[begun:]


def _part_of(poses: F64, segment: FromFile) -> F64:
    last = len(poses) - 1 if segment.last is None else segment.last
    if not segment.first < last < len(poses):
        raise ValueError(f"{segment.file.name} has poses 0 to {len(poses) - 1}; got {segment.first} to {last}")
    return poses[segment.first : last + 1]


def _segment_poses(segment: PathSegment, walked: F64) -> F64:
    """[1 + new, 4, 4], from the last pose walked."""
    start = walked[-1]
    match segment:
        case Hold():
            return moves.hold(start, frames=1 + segment.hold)
        case BackToStart():
            return moves.resample(_way_back(walked), 1 + segment.frames)
        case FromFile():
            poses = moves.placed(_part_of(read_path(segment.file), segment), start)
            return poses if segment.frames is None else moves.resample(poses, 1 + segment.frames)
        case Keyframes():
            keys = np.stack([start, *(look_at(view.eye, view.look_at) for view in segment.keyframes)])
            return moves.keyframes(keys, frames=1 + segment.frames, closed=segment.closed)
    frames, ease = 1 + segment.frames, segment.ease
    match segment:
        case Pan():
            return moves.pan(start, math.radians(segment.pan_deg), frames=frames, ease=ease)
        case Tilt():
            return moves.tilt(start, math.radians(segment.tilt_deg), frames=frames, ease=ease)
        case Roll():
            return moves.roll(start, math.radians(segment.roll_deg), frames=frames, ease=ease)
        case Dolly():
            poses = moves.dolly(start, segment.dolly_m, frames=frames, ease=ease)
        case Truck():
            poses = moves.truck(start, segment.truck_m, frames=frames, ease=ease)
        case Pedestal():
            poses = moves.pedestal(start, segment.pedestal_m, frames=frames, ease=ease)
        case Orbit():
            angle_rad = math.radians(segment.orbit_deg)
            poses = moves.orbit(start, angle_rad, target=segment.target, frames=frames, ease=ease)
        case Spiral():
            poses = moves.spiral(
                start,
                math.radians(segment.spiral_deg),
                target=segment.target,
                rise_m=segment.rise_m,
                radius_scale=segment.radius_scale,
                frames=frames,
                ease=ease,
            )
    return _looking(poses, segment)


def _looking(poses: F64, segment: Travelling) -> F64:
    turn_frames = min(TURN_FRAMES, len(poses) - 1)
    if segment.look_at is not None:
        return moves.facing(poses, segment.look_at, turn_frames=turn_frames)
    return moves.facing_ahead(poses, turn_frames=turn_frames) if segment.look_ahead else poses


def _way_back(walked: F64) -> F64:
    """The walk in reverse, down to the last time that it stood exactly at its first pose."""
    last_at_start = np.flatnonzero((walked == walked[0]).all(axis=(1, 2)))[-1]
    return walked[last_at_start:][::-1]
