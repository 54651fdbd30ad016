"""A whole scene as frozen models. Any thread.

`scene.schema.json` is made from here, so each field's description is what an editor shows.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from spatia.scene.schema_base import MAX_TEXT, NamedByValue, Part, ScenePath, Vec3
from spatia.scene.schema_edits import SceneEdit
from spatia.scene.schema_estimation import Estimation
from spatia.scene.schema_generators import (
    GeneratorChoice,
    ReprojectionGenerator,
    WanGenerator,
    as_the_weights_expect,
)
from spatia.scene.schema_paths import PathSegment, Start

FORMAT_VERSION = 1
NETWORK_STEP_PX = 32  # 16 pixels in a latent cell, 2 x 2 cells in a token

Side = Annotated[int, Field(ge=16, le=4096)]
Focal = Annotated[float, Field(gt=0, le=1e6)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1e6)]


class Lens(Part):
    """A pinhole camera in pixels, as measured for a recording."""

    fx_px: Focal
    fy_px: Focal
    cx_px: float
    cy_px: float
    width_px: Annotated[int, Field(ge=1, le=16384)]
    height_px: Annotated[int, Field(ge=1, le=16384)]


class FrameSlice(Part):
    """Which frames of a recording are used: first, first + every, ... below stop."""

    first: Annotated[int, Field(ge=0)] = 0
    stop: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] = 1


class ProceduralWorld(Part):
    """A world that is computed and knows itself exactly."""

    kind: Literal["procedural"]
    name: Literal["room", "courtyard"]


class RgbdWorld(Part):
    """A folder of colour frames, depth frames and poses."""

    kind: Literal["rgbd"]
    path: ScenePath
    color_intrinsics: Lens | None = Field(default=None, description="Where the folder's own do not fit the colour.")
    depth_intrinsics: Lens | None = None
    depth_scale_m: Annotated[float, Field(gt=0, le=10)] = Field(default=0.001, description="Metres per unit of depth.")
    frames: FrameSlice = FrameSlice()


class PlyWorld(Part):
    """A point cloud, or the centres of 3D Gaussians, as a PLY file in metres with y downwards."""

    kind: Literal["ply"]
    path: ScenePath


class SavedWorld(Part):
    """The cloud of a world that an earlier run saved, in the voxels that it was kept in."""

    kind: Literal["saved"]
    path: ScenePath


class PhotoWorld(Part):
    """A Spatia case folder: one photo with its intrinsics, camera path and prompt."""

    kind: Literal["photo"]
    path: ScenePath


WorldSource = Annotated[
    Annotated[ProceduralWorld, Tag("<procedural>")]
    | Annotated[RgbdWorld, Tag("<rgbd>")]
    | Annotated[PlyWorld, Tag("<ply>")]
    | Annotated[SavedWorld, Tag("<saved>")]
    | Annotated[PhotoWorld, Tag("<photo>")],
    NamedByValue("kind", ("procedural", "rgbd", "ply", "saved", "photo")),
]


class Camera(Part):
    """The camera that walks. Give a field of view, or focal lengths; with neither, the world's own lens is used."""

    width_px: Side = 640
    height_px: Side = 352
    fov_y_deg: Annotated[float, Field(ge=5, le=150)] | None = None
    fx_px: Focal | None = None
    fy_px: Focal | None = Field(default=None, description="As fx_px where left out.")
    cx_px: float | None = Field(default=None, description="The middle where left out.")
    cy_px: float | None = Field(default=None, description="The middle where left out.")
    start: Start | None = Field(default=None, description="The first pose; the world's own where left out.")

    @model_validator(mode="after")
    def _one_lens(self) -> "Camera":
        extra = [name for name in ("fy_px", "cx_px", "cy_px") if getattr(self, name) is not None]
        if self.fx_px is None and extra:
            raise PydanticCustomError("lens", "{name} needs fx_px beside it", {"name": extra[0]})
        if self.fx_px is not None and self.fov_y_deg is not None:
            raise PydanticCustomError("lens", "fov_y_deg and fx_px exclude each other")
        return self


class SceneRound(Part):
    """One walk, along a path or as recorded input. Its edits are made before it begins."""

    prompt: Annotated[str, StringConstraints(max_length=MAX_TEXT)] = ""
    edits: Annotated[tuple[SceneEdit, ...], Field(strict=False, max_length=1000)] = ()
    path: Annotated[tuple[PathSegment, ...], Field(strict=False, min_length=1, max_length=1000)] | None = None
    input: ScenePath | None = Field(default=None, description="A recording of input to walk by.")

    @model_validator(mode="after")
    def _one_way(self) -> "SceneRound":
        if (self.path is None) == (self.input is None):
            raise PydanticCustomError("round", "needs either path or input")
        return self


class PlacePrompt(Part):
    """An instruction that belongs to a place. What a person types wins over it, and it wins over that of a round."""

    at_m: Vec3
    within_m: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=2.0, description="Of overlapping places the nearest."
    )
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]


class RgbMemory(Part):
    """The static cloud of coloured points: what people see and edit."""

    voxel_m: Annotated[float, Field(ge=0.001, le=1)] = 0.01
    max_points: Annotated[int, Field(ge=1000, le=2_000_000_000)] = 50_000_000


class LatentMemory(Part):
    """A cloud of the video autoencoder's latents: what a network is shown without rendering and encoding."""

    voxel_m: Annotated[float, Field(ge=0.001, le=1)] = Field(
        default=0.05, description="About the size of 16 pixels at the distance that most is seen from."
    )
    max_points: Annotated[int, Field(ge=1000, le=100_000_000)] = 1_000_000
    compat: Literal["release", "corrected"] = Field(
        default="corrected", description="One latent a voxel, or all that were ever made, as the release keeps them."
    )


class Memory(Part):
    """What the world remembers by."""

    rgb: RgbMemory = RgbMemory()
    latent: LatentMemory | None = Field(default=None, description="None but for a generator that makes latents.")


class References(Part):
    """How earlier frames are chosen to guide a clip."""

    k: Annotated[int, Field(ge=0, le=64)] = Field(default=7, description="At most so many.")
    metric: Literal["voxel_iou", "shared_points"] = Field(
        default="voxel_iou", description="The paper's 3D IoU, or the release's count of shared points."
    )
    threshold: Fraction = Field(default=0.05, description="Least IoU of a reference; shared_points has none.")
    voxel_m: Annotated[float, Field(ge=0.001, le=10)] = 0.05


def _clip_length(frames: int) -> int:
    if frames % 4 != 1:
        low = frames - (frames - 1) % 4
        raise PydanticCustomError(
            "clip_length", "clips have 4k + 1 frames: use {high} or {low}", {"low": max(low, 1), "high": low + 4}
        )
    return frames


ClipLength = Annotated[int, Field(ge=1, le=1001), AfterValidator(_clip_length)]
PRESETS = {
    "paper": {"first_frames": 81, "clip_frames": 81, "preceding_frames": 9},
    "release": {"first_frames": 121, "clip_frames": 81, "preceding_frames": 9},
}


class Generation(Part):
    """How a walk is cut into clips and who generates them."""

    generator: GeneratorChoice = ReprojectionGenerator()
    rounds: Literal["paper", "release"] = Field(
        default="paper", description="Clip lengths: 81/81/9 (paper) or 121/81/9 (release), where not said below."
    )
    first_frames: ClipLength = Field(default=81, description="Frames of the first clip, 4k + 1.")
    clip_frames: ClipLength = Field(default=81, description="Frames of each later clip, 4k + 1, preceding included.")
    preceding_frames: ClipLength = Field(default=9, description="Frames already seen that a clip begins with, 4k + 1.")
    references: References = References()
    commit: Literal["lockstep", "live"] = Field(
        default="lockstep", description="lockstep waits for each clip and repeats exactly; live takes what is ready."
    )
    policy: Literal["continuous", "on_demand", "on_coverage"] = Field(
        default="continuous",
        description="When a walker's steps become a clip: as soon as there are enough, when asked, or when the view "
        "ahead is little known.",
    )
    coverage_below: Fraction = Field(default=0.7, description="What on_coverage calls little known.")
    deadline_s: Positive | None = Field(default=None, description="Wall time that one clip may take.")

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("rounds", "paper") not in ("paper", "release"):
            return data
        return PRESETS[data.get("rounds", "paper")] | data

    @model_validator(mode="after")
    def _clips_advance(self) -> "Generation":
        if self.preceding_frames >= self.clip_frames:
            raise PydanticCustomError("clips", "preceding_frames must be less than clip_frames")
        if self.preceding_frames > self.first_frames:
            raise PydanticCustomError("clips", "preceding_frames must not exceed first_frames")
        return self


class MetricLook(Part):
    """Points as discs of a size in metres, nearest wins: for people."""

    kind: Literal["metric"]
    radius_m: Annotated[float, Field(ge=0, le=1)] = 0.01


class ReleaseLook(Part):
    """Points as the released weights expect them."""

    kind: Literal["release"]
    radius_ndc: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    points_per_pixel: Annotated[int, Field(ge=1, le=32)] = 5


Look = Annotated[
    Annotated[MetricLook, Tag("<metric>")] | Annotated[ReleaseLook, Tag("<release>")],
    NamedByValue("kind", ("metric", "release")),
]


class ProjectionChoice(Part):
    """How the memory is drawn for the generator."""

    projector: Literal["auto", "numpy", "numba", "opengl"] = "auto"
    look: Look = MetricLook(kind="metric")


Key = Annotated[str, StringConstraints(max_length=40)]


class Controls(Part):
    """How a person moves in a window."""

    bindings: dict[Key, Annotated[list[Key], Field(max_length=8)] | Key] = Field(
        default={}, description="Keys of actions, in place of the default ones; F1 in the window shows them."
    )
    gamepads: ScenePath | None = Field(default=None, description="Mappings of gamepads as SDL and GLFW write them.")


class Output(Part):
    """What a run leaves behind besides the world."""

    video_crf: Annotated[int, Field(ge=0, le=51)] = Field(default=18, description="Less is better and larger.")


class Scene(Part):
    """Everything a run depends on: the same scene and seed give the same bytes."""

    spatia: Literal[1] = Field(description="Version of this format.")
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    fps: Annotated[int, Field(ge=1, le=120)] = 24
    world: WorldSource
    camera: Camera = Camera()
    rounds: Annotated[tuple[SceneRound, ...], Field(strict=False, min_length=1, max_length=1000)]
    prompts: Annotated[tuple[PlacePrompt, ...], Field(strict=False, max_length=1000)] = Field(
        default=(), description="Instructions for clips that end within a place, or are asked for there."
    )
    memory: Memory = Memory()
    generation: Generation = Generation()
    estimation: Estimation = Estimation()
    projection: ProjectionChoice = ProjectionChoice()
    output: Output = Output()
    controls: Controls = Controls()

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        return as_the_weights_expect(data)

    @model_validator(mode="after")
    def _fits_the_generator(self) -> "Scene":
        generator = self.generation.generator
        if not isinstance(generator, WanGenerator):
            if self.memory.latent is not None:
                raise PydanticCustomError(
                    "latent",
                    "memory.latent needs a generator that makes latents; {name} does not",
                    {"name": generator.name},
                )
            return self
        if generator.control_from == "latent" and self.memory.latent is None:
            raise PydanticCustomError("latent", "control_from: latent needs memory.latent, such as {{}}")
        for name in ("width_px", "height_px"):
            side = getattr(self.camera, name)
            if side % NETWORK_STEP_PX:
                near = max(side // NETWORK_STEP_PX * NETWORK_STEP_PX, NETWORK_STEP_PX)
                raise PydanticCustomError(
                    "size",
                    "camera.{side} must be a multiple of {step} for {name}, such as {near}; got {got}",
                    {"side": name, "step": NETWORK_STEP_PX, "name": generator.name, "near": near, "got": side},
                )
        return self
