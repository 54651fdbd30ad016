"""Procedural worlds: scenes built of solids that know their colour, depth, labels and movers exactly.

`ProceduralScene` implements `records.truth.TrueScene`. Its light is computed at the first picture (a second or two)
and kept; rendering is a pure function and may be called from several threads at once.
"""

import threading
from functools import cache

import numpy as np

from spatia.errors import unknown_name
from spatia.geom.camera import Cameras
from spatia.geom.pose import F64
from spatia.records.arrays import F32, Bool
from spatia.records.truth import TrueFrames, TrueGeometry
from spatia.worlds.bands import in_bands
from spatia.worlds.blueprint import Blueprint
from spatia.worlds.charts import charts_of
from spatia.worlds.courtyard import courtyard
from spatia.worlds.light import lit_charts
from spatia.worlds.nearness import mark_near
from spatia.worlds.plan import ScenePlan
from spatia.worlds.primitives import Solid, solids_of
from spatia.worlds.room import room
from spatia.worlds.shade import Materials, Stage, centre_rays, edge_rays, measuring_rays
from spatia.worlds.textures import TYPICAL_MIX

PROCEDURAL = {"room": room, "courtyard": courtyard}


@cache
def procedural_world(name: str) -> "ProceduralScene":
    """The world of that name. Raises `SceneError` for a name that there is not.

    One instance serves all who ask: it is pure, and its light is worth computing once.
    """
    if name not in PROCEDURAL:
        raise unknown_name("procedural world", name, PROCEDURAL)
    return ProceduralScene(PROCEDURAL[name]())


class ProceduralScene:
    """A lit scene. Pure: the same cameras and times give the same bytes on any number of threads."""

    def __init__(self, plan: ScenePlan) -> None:
        self._plan = plan
        materials = list(plan.still.materials.values())
        self._materials = Materials(
            pattern=np.array([m.pattern for m in materials], dtype=np.int32),
            color=np.array([m.color for m in materials], dtype=np.float64),
            second=np.array([m.second for m in materials], dtype=np.float64),
            scale=np.array([m.scale_m for m in materials], dtype=np.float64),
            in_world=np.array([m.in_world for m in materials], dtype=np.bool_),
            emission=np.array([m.emission for m in materials], dtype=np.float64),
        )
        self._still = solids_of(plan.still.solids)
        self._charts = charts_of(self._still, texel_m=plan.texel_m, near_m=plan.bounds_m)
        self._lighting = threading.Lock()
        self._light: F32 | None = None
        self._labels = dict(plan.still.labels)
        self._moving_at(0.0)

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def start_pose(self) -> F64:
        """world_from_camera [4, 4] of a first look."""
        return self._plan.start_pose.copy()

    @property
    def bounds_m(self) -> F64:
        """[2, 3] lowest and highest corner of where a camera has room."""
        return self._plan.bounds_m.copy()

    def labels(self) -> dict[str, int]:
        """Object labels by name, movers included."""
        return dict(self._labels)

    def render(self, cameras: Cameras, time_s: F32) -> TrueFrames:
        """T frames at T times in seconds. Depth, label and moving are those of the pixel's centre exactly."""
        lens = cameras.intrinsics
        shape = _checked_shape(cameras, time_s)
        rgb = np.empty((*shape, 3), dtype=np.uint8)
        depth, label = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.int32)
        moving = np.empty(shape, dtype=np.bool_)
        color, solid = np.empty((*shape[1:], 3), dtype=np.float32), np.empty(shape[1:], dtype=np.int32)
        focal = lens.pinhole
        light = self._lit()
        for frame, pose in enumerate(cameras.world_from_camera):
            stage = self._stage(light, float(time_s[frame]))
            in_bands(
                centre_rays, lens.height_px, stage, pose, focal, color, depth[frame], label[frame], moving[frame], solid
            )
            in_bands(edge_rays, lens.height_px, stage, pose, focal, color, solid, rgb[frame])
        return TrueFrames(rgb=rgb, depth_m=depth, label=label, moving=moving)

    def measure(self, cameras: Cameras, time_s: F32) -> TrueGeometry:
        """What `render` says besides colour, at a fraction of its cost."""
        lens = cameras.intrinsics
        shape = _checked_shape(cameras, time_s)
        depth, label = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.int32)
        moving = np.empty(shape, dtype=np.bool_)
        focal = lens.pinhole
        unlit = np.zeros((0, 4), dtype=np.float32)
        for frame, pose in enumerate(cameras.world_from_camera):
            stage = self._stage(unlit, float(time_s[frame]))
            in_bands(measuring_rays, lens.height_px, stage, pose, focal, depth[frame], label[frame], moving[frame])
        return TrueGeometry(depth_m=depth, label=label, moving=moving)

    def near_still(self, positions_in_world: F32, *, within_m: float) -> Bool:
        """[N] True for places [N, 3] at most `within_m` from a surface that never moves."""
        near = np.zeros(len(positions_in_world), dtype=np.bool_)
        mark_near(self._still, positions_in_world.astype(np.float64), within_m, near)
        return near

    def near_movers(self, positions_in_world: F32, time_s: F32, *, within_m: float) -> Bool:
        """[N] True for places [N, 3] at most `within_m` from the surface of a mover at one of the times [T]."""
        near = np.zeros(len(positions_in_world), dtype=np.bool_)
        positions = positions_in_world.astype(np.float64)
        for t in time_s:
            mark_near(solids_of(self._moving_at(float(t))), positions, within_m, near)
        return near

    def _lit(self) -> F32:
        with self._lighting:
            if self._light is None:
                m = self._materials
                mix = np.array([TYPICAL_MIX[pattern] for pattern in m.pattern])[:, None]
                self._light = lit_charts(
                    self._still,
                    self._charts,
                    reflectance=m.color + (m.second - m.color) * mix,
                    emission=m.emission,
                    lights=self._plan.lights,
                )
            return self._light

    def _moving_at(self, time_s: float) -> list[Solid]:
        movers = Blueprint(materials=self._plan.still.materials, labels=self._labels)
        self._plan.move(movers, time_s)
        return movers.solids

    def _stage(self, light: F32, time_s: float) -> Stage:
        movers = self._moving_at(time_s)
        return Stage(
            still=self._still,
            charts=self._charts,
            light=light,
            moving=solids_of(movers),
            blobs=_blobs(movers),
            materials=self._materials,
            lights=self._plan.lights,
            exposure=self._plan.exposure,
        )


def _checked_shape(cameras: Cameras, time_s: F32) -> tuple[int, int, int]:
    shape = (len(cameras), cameras.intrinsics.height_px, cameras.intrinsics.width_px)
    if np.shape(time_s) != shape[:1]:
        raise ValueError(f"time_s must have shape {shape[:1]}; got {np.shape(time_s)}")
    return shape


def _blobs(movers: list[Solid]) -> F64:
    """[B, 4] a sphere about the solids of each label, a little tight, for the shade that they cast around them."""
    spheres = []
    for label in sorted({mover.label for mover in movers}):
        bounds = np.stack([mover.bounds_in_world_m() for mover in movers if mover.label == label])
        low, high = bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0)
        spheres.append([*(0.5 * (low + high)), 0.5 * float(np.sort(high - low)[1])])
    return np.array(spheres, dtype=np.float64).reshape(-1, 4)
