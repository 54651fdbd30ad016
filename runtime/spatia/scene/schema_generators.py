"""Who makes the frames: each generator's own part of a scene file. Any thread."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from spatia.scene.schema_base import MAX_TEXT, NamedByValue, Part, ScenePath

WorkerKind = Literal["thread", "process", "inline"]
Rung = Literal["free_text_encoder", "tile_autoencoder", "offload", "fp8", "smaller"]
Layers = Annotated[tuple[Annotated[int, Field(ge=0, le=999)], ...], Field(strict=False, max_length=1000)]

# Wan's own, in the language that its text encoder was trained with most; the release uses it too.
WAN_NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，残缺的，"  # noqa: RUF001
    "多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，"  # noqa: RUF001
    "背景人很多，倒着走"  # noqa: RUF001
)
# spec/spatia_release.md 1.5. The paper says nothing of its sampler, so its preset differs in how a clip is built alone.
SAMPLING = {
    "sampler": "unipc",
    "steps": 40,
    "shift": 5.0,
    "guidance": 3.5,
    "control_scale": 1.0,
    "prompt_suffix": " 4K, realistic, high quality, HDR.",
    "negative_prompt": WAN_NEGATIVE_PROMPT,
}
SPATIA_PRESETS: dict[str, dict[str, Any]] = {
    "release": SAMPLING | {"compat": "release", "noise_seed": 20917},
    "paper": SAMPLING | {"compat": "corrected", "noise_seed": None},
}

RETRIEVAL = {"release": "shared_points", "paper": "voxel_iou"}


class OracleGenerator(Part):
    """Sees the true scene of a procedural world: for tests and demonstrations."""

    name: Literal["oracle"]
    worker: WorkerKind = "thread"


class ReprojectionGenerator(Part):
    """Carries known pixels into the new views and fills what is left; needs no weights."""

    name: Literal["reprojection"] = "reprojection"
    worker: WorkerKind = "thread"


class Distilled(Part):
    """An adapter that needs few steps and no guidance."""

    lora: ScenePath
    steps: Annotated[int, Field(ge=1, le=100)] = 4


class Speed(Part):
    """Faster than plain, each at a price; all off by default."""

    compile: bool = Field(default=False, description="torch.compile: a minute at the start, then faster steps.")
    first_block_cache: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Skip blocks where the first one changed less than this, such as 0.08."
    )
    one_batch: bool = Field(default=False, description="Both passes of the guidance at once: more memory.")
    fp8: bool = Field(default=False, description="The transformer's weights in 8 bits.")
    offload: bool = Field(default=False, description="The transformer's blocks on the CPU, each brought for its work.")
    tiling: bool = Field(default=False, description="The autoencoder in overlapping tiles.")
    attention: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")] | None = Field(
        default=None, description="An attention backend of diffusers; torch's own where left out."
    )
    distilled: Distilled | None = Field(default=None, description="Few-step weights; sets steps, and guidance to 1.")
    tiny_decoder: ScenePath | None = Field(default=None, description="A small decoder in place of the autoencoder's.")


class SpatiaGenerator(Part):
    """Spatia: Wan2.2-TI2V-5B with control blocks and LoRA, or toy networks of random weights."""

    name: Literal["spatia"]
    worker: WorkerKind = Field(default="process", description="A process of its own can run out of memory alone.")
    preset: Literal["release", "paper"] = Field(
        default="release", description="Everything not said below; also clip lengths, retrieval and look of the scene."
    )
    compat: Literal["release", "corrected"] = Field(
        default="release", description="Repeat what the released weights were made with, or do as the paper says."
    )
    tiny: bool = Field(default=False, description="Toy networks of random weights: the frames are noise.")
    base: ScenePath | None = Field(default=None, description="Folder of Wan2.2-TI2V-5B; the fetched one if left out.")
    control: ScenePath | None = Field(default=None, description="Control blocks; the fetched ones if left out.")
    control_layers: Layers = Field(default=(), description="Where the control blocks act; by their number if left out.")
    lora: ScenePath | None = Field(default=None, description="The adapter; the fetched one if left out.")
    use_lora: bool = True
    sampler: Literal["unipc", "euler"] = "unipc"
    steps: Annotated[int, Field(ge=1, le=1000)] = 40
    shift: Annotated[float, Field(gt=0, le=100)] = 5.0
    guidance: Annotated[float, Field(ge=0, le=50)] = Field(default=3.5, description="1 leaves the negative prompt out.")
    control_scale: Annotated[float, Field(ge=0, le=10)] = 1.0
    prompt_suffix: Annotated[str, StringConstraints(max_length=MAX_TEXT)] = ""
    negative_prompt: Annotated[str, StringConstraints(max_length=MAX_TEXT)] = ""
    noise_seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = Field(
        default=None, description="The same noise for all clips; each clip its own where null."
    )
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")] = "auto"
    dtype: Literal["auto", "bfloat16", "float32"] = Field(default="auto", description="bfloat16 on a GPU.")
    fit: Annotated[tuple[Rung, ...], Field(strict=False, max_length=5)] = Field(
        default=("free_text_encoder", "tile_autoencoder", "offload", "fp8", "smaller"),
        description="What may be done, in this order, where the device has too little memory.",
    )
    speed: Speed = Speed()

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("preset", "release") not in SPATIA_PRESETS:
            return data
        return SPATIA_PRESETS[data.get("preset", "release")] | data

    @model_validator(mode="after")
    def _tiny_has_no_files(self) -> "SpatiaGenerator":
        named = [name for name in ("base", "control", "lora") if getattr(self, name) is not None]
        if self.tiny and named:
            raise PydanticCustomError("tiny", "tiny makes its own weights: leave out {name}", {"name": named[0]})
        return self


def _named(data: Any) -> Any:
    """A generator without a name is the one that needs neither weights nor truth."""
    return {"name": "reprojection"} | data if isinstance(data, dict) and "name" not in data else data


GeneratorChoice = Annotated[
    Annotated[OracleGenerator, Tag("<oracle>")]
    | Annotated[ReprojectionGenerator, Tag("<reprojection>")]
    | Annotated[SpatiaGenerator, Tag("<spatia>")],
    NamedByValue("name", ("oracle", "reprojection", "spatia")),
    BeforeValidator(_named),
]


def as_the_weights_expect(data: Any) -> Any:
    """A scene's data with what its generator's preset says of the other parts, where the file does not say it.

    That is how clips are cut, how references are chosen, and how points are drawn.
    """
    generation, generator = _mapping(data, "generation"), _mapping(data, "generation", "generator")
    preset = generator.get("preset", "release")
    if generator.get("name") != "spatia" or preset not in RETRIEVAL:
        return data
    references = {"metric": RETRIEVAL[preset]} | _mapping(data, "generation", "references")
    return data | {
        "generation": {"rounds": preset} | generation | {"references": references},
        "projection": {"look": {"kind": "release"}} | _mapping(data, "projection"),
    }


def _mapping(data: Any, *keys: str) -> dict[str, Any]:
    """The mapping at `keys`; an empty one where there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
