"""What a person points at, and what of the world that selects. Pure but for its own state; main thread."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from spatia.geom.pose import F64
from spatia.memory.picking import Picked, grow, pick, positions_of, select, voxels_of
from spatia.records.arrays import F32
from spatia.records.cloud import CloudSnapshot
from spatia.records.edits import Box, OfLabel, Selection, Sphere, Vec3

Tool = Literal["object", "brush", "box"]
TOOLS: tuple[Tool, ...] = ("object", "brush", "box")
PICK_VOXELS = (1, 2, 4, 8)  # radii tried: what was seen from far lies many voxels apart
BRUSH_M = 0.25
GROWN_M, MOST_GROWN, GROWN_COLOR = 1.5, 30_000, 60.0  # how far, how many, how like in colour
MOST_SHOWN = 20_000
NOTHING: F32 = np.empty((0, 3), np.float32)


class Pointing:
    """A tool and what it has selected.

    *object* takes the object that the point belongs to, or where it belongs to none the surface connected to it;
    *brush* a ball about the point; *box* what lies between two points, one after the other.
    """

    def __init__(self, labels: Mapping[str, int]) -> None:
        self._names = {number: name for name, number in labels.items()}
        self._corner: Vec3 | None = None
        self.tool: Tool = "object"
        self.at: Vec3 | None = None  # the last point
        self.selection: Selection | None = None
        self.shown: F32 = NOTHING  # [K, 3] some of the selected points

    def next_tool(self) -> str:
        self.tool = TOOLS[(TOOLS.index(self.tool) + 1) % len(TOOLS)]
        self.clear()
        return f"select by {self.tool}"

    def clear(self) -> None:
        self._corner, self.at, self.selection, self.shown = None, None, None, NOTHING

    def unmark(self) -> None:
        """The selection stays; its points are shown as they are."""
        self.shown = NOTHING

    def place(self, snapshot: CloudSnapshot, world_from_camera: F64) -> Vec3 | None:
        """What stands in the middle of the view, without selecting it."""
        found = _seen(snapshot, world_from_camera)
        return None if found is None else found.position_in_world

    def point(self, snapshot: CloudSnapshot, world_from_camera: F64) -> str:
        """Select by what stands in the middle of the view. Returns what to say."""
        found = _seen(snapshot, world_from_camera)
        if found is None:
            self.clear()
            return "there is nothing there"
        self.at = found.position_in_world
        if self.tool == "box" and self._corner is None:
            self.clear()
            self._corner = found.position_in_world
            self.at = found.position_in_world
            self.shown = np.array([found.position_in_world], np.float32)
            return "one corner of the box; now the other"
        self.selection, what = self._selected(snapshot, found)
        rows = select(snapshot, self.selection)
        self.shown = positions_of(snapshot, rows[:: max(1, len(rows) // MOST_SHOWN)])
        return f"{what}, {found.distance_m:.1f} m away: {len(rows):,} points"

    def _selected(self, snapshot: CloudSnapshot, found: Picked) -> tuple[Selection, str]:
        if self.tool == "box" and self._corner is not None:
            corners = np.array([self._corner, found.position_in_world])
            self._corner = None
            return Box(low_m=_vec(corners.min(axis=0)), high_m=_vec(corners.max(axis=0))), "a box"
        if self.tool == "brush":
            return Sphere(center_m=found.position_in_world, radius_m=BRUSH_M), "a place"
        if found.label:
            return OfLabel(label=found.label), self._names.get(found.label, f"object {found.label}")
        rows = grow(snapshot, found.row, reach_m=GROWN_M, max_points=MOST_GROWN, color_tolerance=GROWN_COLOR)
        return voxels_of(snapshot, rows), "a surface"


def _seen(snapshot: CloudSnapshot, world_from_camera: F64) -> Picked | None:
    eye, ahead = world_from_camera[:3, 3], world_from_camera[:3, 2]
    tries = (pick(snapshot, eye, ahead, radius_m=voxels * snapshot.voxel_m) for voxels in PICK_VOXELS)
    return next((picked for picked in tries if picked is not None), None)


def _vec(values: F64) -> Vec3:
    x, y, z = values.tolist()
    return x, y, z
