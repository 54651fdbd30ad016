"""Who turns frames into geometry, and who says what moves: each one's own part of a scene file. Any thread."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from spatia.scene.schema_base import MAX_TEXT, NamedByValue, Part, ScenePath, ShortName

Weights = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Device = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")]
Share = Annotated[float, Field(ge=0, le=1)]
Pixel = Annotated[float, Field(ge=0, le=16384)]
Spot = Annotated[
    tuple[Pixel, Pixel],
    Field(strict=False),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
]
Rectangle = Annotated[
    tuple[Pixel, Pixel, Pixel, Pixel],
    Field(strict=False),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}),
]
Spots = Annotated[tuple[Spot, ...], Field(strict=False, max_length=100)]


class OracleEstimator(Part):
    """Asks the procedural world itself: for tests and demonstrations."""

    name: Literal["oracle"]


class CompletionEstimator(Part):
    """What the memory knows, carried into the holes between known places; needs no weights."""

    name: Literal["completion"] = "completion"


class PlaneSweepEstimator(Part):
    """Stereo between frames of known poses; needs parallax and torch, and no weights."""

    name: Literal["plane_sweep"] = "plane_sweep"
    width_px: Annotated[int, Field(ge=64, le=4096)] = Field(default=320, description="Of the pictures it works on.")
    planes: Annotated[int, Field(ge=8, le=512)] = Field(default=64, description="Depths that are tried.")
    nearest_m: Annotated[float, Field(gt=0, le=1e4)] = 0.4
    farthest_m: Annotated[float, Field(gt=0, le=1e5)] = 10.0
    device: Device = "cpu"

    @model_validator(mode="after")
    def _near_before_far(self) -> "PlaneSweepEstimator":
        if self.nearest_m >= self.farthest_m:
            raise PydanticCustomError("range", "nearest_m must be less than farthest_m")
        return self


class Gate(Part):
    """How far an estimate may be from what the memory knows; beyond, the clip's points are left out."""

    agree: Share = Field(default=0.6, description="Least share of known pixels that must agree.")
    within: Share = Field(default=0.1, description="What agreeing means, as a part of the depth.")


class DepthModelEstimator(Part):
    """Depth frame by frame, by a network of transformers such as Depth Anything or ZoeDepth."""

    name: Literal["depth_model"] = "depth_model"
    weights: Weights = Field(
        default="depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
        description="A folder, or a repository on huggingface.co that has been fetched.",
    )
    device: Device = "auto"
    gate: Gate = Gate()


class MapAnythingEstimator(Part):
    """MapAnything, in an interpreter of its own."""

    name: Literal["mapanything"] = "mapanything"
    # Text and no path: an environment's interpreter is a link, and where it leads nothing is installed.
    python: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)] | None = Field(
        default=None,
        description="The interpreter that it is installed in, which is run; `spatia doctor` says how, and the default.",
    )
    weights: Weights = "facebook/map-anything-apache"
    device: Device = "auto"
    refine: bool = Field(default=False, description="Also move a clip's cameras, as one body, to where it fits best.")
    gate: Gate = Gate()


EstimatorChoice = Annotated[
    Annotated[OracleEstimator, Tag("<oracle>")]
    | Annotated[CompletionEstimator, Tag("<completion>")]
    | Annotated[PlaneSweepEstimator, Tag("<plane_sweep>")]
    | Annotated[DepthModelEstimator, Tag("<depth_model>")]
    | Annotated[MapAnythingEstimator, Tag("<mapanything>")],
    NamedByValue("name", ("oracle", "completion", "plane_sweep", "depth_model", "mapanything")),
    ShortName(("oracle", "completion", "plane_sweep", "depth_model", "mapanything")),
]


class NoSegmenter(Part):
    """Nothing moves."""

    name: Literal["none"] = "none"


class OracleSegmenter(Part):
    """Asks the procedural world itself."""

    name: Literal["oracle"]


class GivenMask(Part):
    """One mask for all frames, as it is drawn for a camera that stands still."""

    name: Literal["given"]
    mask: ScenePath = Field(description="A picture of the frames' size, white where something moves.")


class MotionResidual(Part):
    """What contradicts the memory and the other frames for long enough moves; needs no weights."""

    name: Literal["motion_residual"] = "motion_residual"


class Hint(Part):
    """One thing to be followed, as it is seen in one frame of the first clip."""

    object: Annotated[int, Field(ge=1, le=1000)] = 1
    frame: Annotated[int, Field(ge=0, le=1000)] = 0
    points: Spots = Field(default=(), description="Pixels [x, y] on it.")
    beside: Spots = Field(default=(), description="Pixels [x, y] that are not on it.")
    box: Rectangle | None = Field(default=None, description="left, top, right, bottom")
    mask: ScenePath | None = Field(default=None, description="A picture of the frames' size, white on it.")

    @model_validator(mode="after")
    def _says_something(self) -> "Hint":
        if not self.points and self.box is None and self.mask is None:
            raise PydanticCustomError("hint", "needs points, box or mask")
        return self


class Sam2Segmenter(Part):
    """SAM 2 follows things through each clip, from hints or from what the motion residual finds."""

    name: Literal["sam2"] = "sam2"
    weights: Weights | None = Field(
        default=None, description="A folder or a fetched repository; what `spatia models fetch sam2` got if left out."
    )
    device: Device = "auto"
    implementation: Literal["transformers", "meta"] = Field(
        default="transformers", description="meta: the package sam2, where it is installed."
    )
    hints: Annotated[tuple[Hint, ...], Field(strict=False, max_length=100)] = Field(
        default=(), description="What to follow; with none, what the motion residual finds."
    )
    margin_px: Annotated[int, Field(ge=0, le=100)] = Field(default=4, description="By how much masks are grown.")


SegmenterChoice = Annotated[
    Annotated[NoSegmenter, Tag("<none>")]
    | Annotated[OracleSegmenter, Tag("<oracle>")]
    | Annotated[GivenMask, Tag("<given>")]
    | Annotated[MotionResidual, Tag("<motion_residual>")]
    | Annotated[Sam2Segmenter, Tag("<sam2>")],
    NamedByValue("name", ("none", "oracle", "given", "motion_residual", "sam2")),
    ShortName(("none", "oracle", "motion_residual", "sam2")),
]


class Estimation(Part):
    """How new frames become geometry, and what of them is left out as moving."""

    estimator: EstimatorChoice = CompletionEstimator()
    segmenter: SegmenterChoice = NoSegmenter()
    keyframe_stride: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Every n-th frame is merged: 4, or 4 a second for mapanything, where left out."
    )
    max_depth_m: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=20.0, description="What is further away stays out of the memory."
    )
    rebuild: Literal["new", "all"] = Field(
        default="new",
        description="new: only new keyframes are estimated. all: the memory is made anew from all keyframes after "
        "every clip, as the Spatia release does: slower with each clip, and what was deleted comes back.",
    )
    check_poses: bool = Field(
        default=True, description="Find the poses of some keyframes in the memory again; report how far off they are."
    )
