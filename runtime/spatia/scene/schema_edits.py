"""How a scene says what to change in the remembered world, and the step from there to `records.edits`. Any thread."""

import base64
import math
import zlib
from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from spatia.errors import SceneError, unknown_name
from spatia.records import edits as record
from spatia.scene.schema_base import Color, Degrees, NamedByKey, Part, ScenePath, Vec3

Label = Annotated[
    Annotated[int, Field(ge=0, le=2**31 - 1)] | Annotated[str, StringConstraints(min_length=1, max_length=100)],
    Field(union_mode="left_to_right"),
]
Size = Annotated[float, Field(gt=0, le=1e4)]


class BoxCorners(Part):
    low_m: Vec3
    high_m: Vec3

    @model_validator(mode="after")
    def _ordered(self) -> "BoxCorners":
        if any(low > high for low, high in zip(self.low_m, self.high_m, strict=True)):
            raise PydanticCustomError("box", "low_m must not exceed high_m in any coordinate (y grows downwards)")
        return self


class Ball(Part):
    center_m: Vec3
    radius_m: Size


class BoxRegion(Part):
    """All points in an axis-aligned box."""

    box: BoxCorners


class SphereRegion(Part):
    """All points in a ball."""

    sphere: Ball


class LabelRegion(Part):
    """All points of one object, by its name in the world or its number."""

    label: Label


class ClipRegion(Part):
    """All points that one generated clip was the first to see."""

    clip: Annotated[int, Field(ge=-2, le=2**31 - 1)]


def packed_keys(keys: tuple[int, ...]) -> str:
    """Voxels' keys as a line of text: base64 of zlib of the steps from key to key as 64-bit little-endian numbers."""
    steps = np.diff(np.array(keys, "<i8"), prepend=np.int64(0))
    return base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode()


def unpacked_keys(text: str) -> tuple[int, ...]:
    """The inverse of `packed_keys`. Raises `ValueError` for a text that it cannot have written."""
    unpacking = zlib.decompressobj()
    try:
        steps = unpacking.decompress(base64.b64decode(text, validate=True), 8 * record.MAX_VOXELS)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacking.eof or unpacking.unused_data or not steps or len(steps) % 8:
        raise ValueError(f"they hold something else than 1 to {record.MAX_VOXELS} keys")
    numbers = np.frombuffer(steps, "<i8").tolist()
    keys = tuple(accumulate(numbers))
    if keys[0] < 0 or keys[-1] >= 1 << 63 or min(numbers[1:], default=1) <= 0:
        raise ValueError("the keys do not ascend")
    return keys


def _unpackable(text: str) -> str:
    try:
        unpacked_keys(text)
    except ValueError as error:
        raise PydanticCustomError("voxels", "cannot be unpacked: {cause}", {"cause": str(error)}) from error
    return text


class Voxels(Part):
    """As the runtime writes them for a surface that was picked by hand."""

    voxel_m: Annotated[float, Field(ge=0.001, le=1e4)]
    keys: Annotated[str, StringConstraints(max_length=100_000), AfterValidator(_unpackable)]


class VoxelRegion(Part):
    """All points in a set of voxels."""

    voxels: Voxels


Region = Annotated[
    Annotated[BoxRegion, Tag("<box>")]
    | Annotated[SphereRegion, Tag("<sphere>")]
    | Annotated[LabelRegion, Tag("<label>")]
    | Annotated[ClipRegion, Tag("<clip>")]
    | Annotated[VoxelRegion, Tag("<voxels>")],
    NamedByKey(("box", "sphere", "label", "clip", "voxels")),
]


class Remove(Part):
    """Forget the region."""

    remove: Region


class Recolor(Part):
    """Blend the region towards a colour; 0.8 keeps some of its shading."""

    recolor: Region
    color: Color
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0


class Move(Part):
    """Turn the region to the right about its centre, then shift it."""

    move: Region
    offset_m: Vec3 = (0.0, 0.0, 0.0)
    turn_deg: Degrees = 0.0


class AddPrimitive(Part):
    """A solid's surface. `size_m` is edge lengths, or the diameters of a sphere or a cylinder about the vertical."""

    add_primitive: Literal["box", "sphere", "cylinder"]
    center_m: Vec3
    size_m: Vec3
    color: Color
    label: Label = 0

    @model_validator(mode="after")
    def _solid(self) -> "AddPrimitive":
        if min(self.size_m) <= 0 or max(self.size_m) > 100:
            raise PydanticCustomError("size", "size_m must lie in 0..100 metres and above 0")
        return self


class AddCloud(Part):
    """The points of a PLY file. `sha256` pins the file's bytes; without it, whoever reads the file does so."""

    add_cloud: ScenePath
    sha256: Annotated[str, StringConstraints(pattern="^([0-9a-f]{64})?$")] = ""
    offset_m: Vec3 = (0.0, 0.0, 0.0)
    turn_deg: Degrees = 0.0
    scale: Size = 1.0
    label: Label = 0


class Undo(Part):
    """Take the last edit back."""

    undo: Literal[True]


class Redo(Part):
    """Do again what was undone."""

    redo: Literal[True]


SceneEdit = Annotated[
    Annotated[Remove, Tag("<remove>")]
    | Annotated[Recolor, Tag("<recolor>")]
    | Annotated[Move, Tag("<move>")]
    | Annotated[AddPrimitive, Tag("<add_primitive>")]
    | Annotated[AddCloud, Tag("<add_cloud>")]
    | Annotated[Undo, Tag("<undo>")]
    | Annotated[Redo, Tag("<redo>")],
    NamedByKey(("remove", "recolor", "move", "add_primitive", "add_cloud", "undo", "redo")),
]


def to_edit(edit: SceneEdit, labels: Mapping[str, int], *, where: str = "") -> record.Edit:
    """The edit as the memory takes it. Raises `SceneError` at `where` for an object name that is not in `labels`."""
    match edit:
        case Remove():
            return record.Remove(where=_selection(edit.remove, labels, where))
        case Recolor():
            region = _selection(edit.recolor, labels, where)
            return record.Recolor(where=region, color=edit.color, strength=edit.strength)
        case Move():
            region = _selection(edit.move, labels, where)
            return record.Move(where=region, offset_m=edit.offset_m, rotation_wxyz=_turn(edit.turn_deg))
        case AddPrimitive():
            return record.AddPrimitive(
                shape=edit.add_primitive,
                center_m=edit.center_m,
                size_m=edit.size_m,
                color=edit.color,
                label=_label(edit.label, labels, where),
            )
        case AddCloud():
            return record.AddCloud(
                path=str(edit.add_cloud),
                sha256=edit.sha256,
                offset_m=edit.offset_m,
                rotation_wxyz=_turn(edit.turn_deg),
                scale=edit.scale,
                label=_label(edit.label, labels, where),
            )
        case Undo():
            return record.Undo()
        case Redo():
            return record.Redo()


def _selection(region: Region, labels: Mapping[str, int], where: str) -> record.Selection:
    match region:
        case BoxRegion():
            return record.Box(low_m=region.box.low_m, high_m=region.box.high_m)
        case SphereRegion():
            return record.Sphere(center_m=region.sphere.center_m, radius_m=region.sphere.radius_m)
        case LabelRegion():
            return record.OfLabel(label=_label(region.label, labels, where))
        case ClipRegion():
            return record.OfClip(clip=region.clip)
        case VoxelRegion():
            return record.OfVoxels(voxel_m=region.voxels.voxel_m, keys=unpacked_keys(region.voxels.keys))


def _label(label: int | str, labels: Mapping[str, int], where: str) -> int:
    if isinstance(label, int):
        return label
    if not labels:
        fix = "select by box, sphere or clip, or give the label's number"
        raise SceneError(f"this world names no objects; got {label!r}", where=where, fix=fix)
    if label not in labels:
        raise unknown_name("object", label, labels, where=where)
    return labels[label]


def _turn(angle_deg: float) -> tuple[float, float, float, float]:
    """wxyz of a turn to the right about the vertical (+y is down)."""
    half = math.radians(angle_deg) / 2
    return (math.cos(half), 0.0, math.sin(half), 0.0)
