"""How a scene says where the camera goes: viewpoints and the segments of a walk. Any thread.

`frames` counts the new frames of a segment; the pose that it starts from belongs to what came before. Signs are those
of `spatia.geom.path`: pan to the right, tilt up, roll clockwise, orbit so that the camera moves to its left.
"""

from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from spatia.geom.pose import check_poses
from spatia.scene.schema_base import Degrees, Matrix, Metres, NamedByKey, Part, ScenePath, Vec3

MAX_FRAMES = 100_000

FrameCount = Annotated[int, Field(ge=1, le=MAX_FRAMES)]


class Viewpoint(Part):
    """A camera at `eye` that looks at a point, upright."""

    eye: Vec3
    look_at: Vec3

    @model_validator(mode="after")
    def _upright(self) -> "Viewpoint":
        across = [a - b for a, b in zip(self.look_at[::2], self.eye[::2], strict=True)]
        if max(abs(step) for step in across) < 1e-6:
            raise PydanticCustomError("viewpoint", "looks straight up or down, where no side is up; move look_at aside")
        return self


class PoseMatrix(Part):
    """world_from_camera as four rows of four numbers."""

    pose: Matrix

    @model_validator(mode="after")
    def _rigid(self) -> "PoseMatrix":
        try:
            check_poses(self.pose, name="pose")
        except ValueError as error:
            raise PydanticCustomError("pose", "{problem}", {"problem": str(error)}) from error
        return self


Start = Annotated[
    Annotated[Viewpoint, Tag("<eye>")] | Annotated[PoseMatrix, Tag("<pose>")],
    NamedByKey(("eye", "pose")),
]


class Segment(Part):
    """What all segments but `hold` and `file` share."""

    frames: FrameCount
    ease: bool = Field(default=False, description="Start and stop gently instead of at constant speed.")


class Travelling(Segment):
    """A segment that moves the camera, which may look elsewhere meanwhile."""

    look_at: Vec3 | None = Field(
        default=None, description="Turn to this point over the first half second, then keep it."
    )
    look_ahead: bool = Field(default=False, description="Turn to the direction of travel instead.")

    @model_validator(mode="after")
    def _one_look(self) -> "Travelling":
        if self.look_at is not None and self.look_ahead:
            raise PydanticCustomError("look", "look_at and look_ahead exclude each other")
        return self


class Dolly(Travelling):
    dolly_m: Metres = Field(description="Forward along the view.")


class Truck(Travelling):
    truck_m: Metres = Field(description="To the camera's right.")


class Pedestal(Travelling):
    pedestal_m: Metres = Field(description="Up.")


class Pan(Segment):
    pan_deg: Degrees = Field(description="To the right.")


class Tilt(Segment):
    tilt_deg: Degrees = Field(description="Up.")


class Roll(Segment):
    roll_deg: Degrees = Field(description="Clockwise.")


class Orbit(Travelling):
    """Around the vertical through `target`; the view is carried along."""

    orbit_deg: Degrees
    target: Vec3


class Spiral(Travelling):
    """An orbit that climbs and changes its radius."""

    spiral_deg: Degrees
    target: Vec3
    rise_m: Metres = 0.0
    radius_scale: float = Field(default=1.0, ge=0.01, le=100)


class Keyframes(Part):
    """A smooth path from the current pose through all the viewpoints, each met exactly."""

    keyframes: Annotated[tuple[Viewpoint, ...], Field(strict=False, min_length=1, max_length=1000)]
    frames: FrameCount
    closed: bool = Field(default=False, description="Return exactly to the pose that the segment started from.")

    @model_validator(mode="after")
    def _room_for_keys(self) -> "Keyframes":
        needed = len(self.keyframes) + self.closed
        if self.frames < needed:
            raise PydanticCustomError("keyframes", "needs at least {n} frames for its keys", {"n": needed})
        return self


class Hold(Part):
    """Stand still for so many frames."""

    hold: FrameCount


class BackToStart(Part):
    """The way back, as walked since the camera was last at the walk's first pose, ending exactly there."""

    back_to_start: Literal[True]
    frames: FrameCount


class FromFile(Part):
    """A path of a file (Spatia `w2c.txt` or TUM text), moved so that it begins at the current pose."""

    file: ScenePath
    first: Annotated[int, Field(ge=0, le=MAX_FRAMES)] = Field(default=0, description="The pose that lies here and now.")
    last: Annotated[int, Field(ge=1, le=MAX_FRAMES)] | None = Field(default=None, description="The last one walked to.")
    frames: FrameCount | None = Field(default=None, description="Resample to so many new frames.")


PathSegment = Annotated[
    Annotated[Dolly, Tag("<dolly_m>")]
    | Annotated[Truck, Tag("<truck_m>")]
    | Annotated[Pedestal, Tag("<pedestal_m>")]
    | Annotated[Pan, Tag("<pan_deg>")]
    | Annotated[Tilt, Tag("<tilt_deg>")]
    | Annotated[Roll, Tag("<roll_deg>")]
    | Annotated[Orbit, Tag("<orbit_deg>")]
    | Annotated[Spiral, Tag("<spiral_deg>")]
    | Annotated[Keyframes, Tag("<keyframes>")]
    | Annotated[Hold, Tag("<hold>")]
    | Annotated[BackToStart, Tag("<back_to_start>")]
    | Annotated[FromFile, Tag("<file>")],
    NamedByKey(
        (
            "dolly_m",
            "truck_m",
            "pedestal_m",
            "pan_deg",
            "tilt_deg",
            "roll_deg",
            "orbit_deg",
            "spiral_deg",
            "keyframes",
            "hold",
            "back_to_start",
            "file",
        )
    ),
]
