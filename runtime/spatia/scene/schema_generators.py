"""Who makes the frames: each generator's own part of a scene file. Any thread."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

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
SUFFIX = " 4K, realistic, high quality, HDR."


@dataclass(frozen=True)
class Preset:
    """What the name of a preset stands for, in the generator's own part of a scene and in others."""

    sampling: dict[str, Any]
    clips: dict[str, Any]  # of generation
    references: dict[str, Any]


# spec/spatia_release.md 1.5, 1.8, 1.11. The paper says nothing of its sampler, so its preset differs in how a clip is
# built alone.
_SPATIA = {"steps": 40, "guidance": 3.5, "prompt_suffix": SUFFIX, "negative_prompt": WAN_NEGATIVE_PROMPT}
# spec/mirage_release.md: 33 frames, then 32 new ones on the 9 before.
_MIRAGE = {"steps": 20, "guidance": 1.0}
_CHUNKS = {"first_frames": 33, "clip_frames": 41, "preceding_frames": 9}
_BY_CELLS = {"metric": "voxel_iou", "k": 4, "threshold": 0.04, "voxel_m": 0.1}
PRESETS = {
    ("spatia", "release"): Preset(
        sampling=_SPATIA | {"compat": "release", "noise_seed": 20917},
        clips={"first_frames": 121, "clip_frames": 81, "preceding_frames": 9},
        references={"metric": "shared_points"},
    ),
    ("spatia", "paper"): Preset(
        sampling=_SPATIA | {"compat": "corrected", "noise_seed": None},
        clips={"first_frames": 81, "clip_frames": 81, "preceding_frames": 9},
        references={"metric": "voxel_iou"},
    ),
    ("mirage", "release"): Preset(sampling=_MIRAGE | {"compat": "release"}, clips=_CHUNKS, references=_BY_CELLS),
    ("mirage", "paper"): Preset(sampling=_MIRAGE | {"compat": "corrected"}, clips=_CHUNKS, references=_BY_CELLS),
}


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


PresetName = Literal["release", "paper"]
PRESET_SAYS = "Everything not said below; also clip lengths, retrieval and look of the scene."
DEFAULT_PRESETS: dict[str, PresetName] = {"spatia": "release", "mirage": "paper"}  # Mirage has no released weights


class WanGenerator(Part):
    """What all networks on Wan2.2-TI2V-5B are told."""

    worker: WorkerKind = Field(default="process", description="A process of its own can run out of memory alone.")
    preset: PresetName = Field(default="release", description=PRESET_SAYS)
    compat: Literal["release", "corrected"] = Field(
        default="release", description="Repeat what the released weights were made with, or do as the paper says."
    )
    control_from: Literal["rgb", "latent"] = Field(
        default="rgb", description="Which memory tells the network what is there: points projected, or latents read."
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
        preset = _preset_of(cls.model_fields["name"].default, data) if isinstance(data, dict) else None
        return preset.sampling | data if preset is not None else data

    @model_validator(mode="after")
    def _tiny_has_no_files(self) -> Self:
        named = [name for name in ("base", "control", "lora") if getattr(self, name) is not None]
        if self.tiny and named:
            raise PydanticCustomError("tiny", "tiny makes its own weights: leave out {name}", {"name": named[0]})
        return self


class SpatiaGenerator(WanGenerator):
    """Spatia: controlled by the projected memory, with references and the frames before."""

    name: Literal["spatia"] = "spatia"


class MirageGenerator(WanGenerator):
    """Mirage: controlled by latents that are read from the memory."""

    name: Literal["mirage"] = "mirage"
    preset: PresetName = Field(default="paper", description=PRESET_SAYS)
    control_from: Literal["rgb", "latent"] = "latent"


def _named(data: Any) -> Any:
    """A generator without a name is the one that needs neither weights nor truth."""
    return {"name": "reprojection"} | data if isinstance(data, dict) and "name" not in data else data


GeneratorChoice = Annotated[
    Annotated[OracleGenerator, Tag("<oracle>")]
    | Annotated[ReprojectionGenerator, Tag("<reprojection>")]
    | Annotated[SpatiaGenerator, Tag("<spatia>")]
    | Annotated[MirageGenerator, Tag("<mirage>")],
    NamedByValue("name", ("oracle", "reprojection", "spatia", "mirage")),
    BeforeValidator(_named),
]


def as_the_weights_expect(data: Any) -> Any:
    """A scene's data with what its generator's preset says of the other parts, where the file does not say it.

    That is how clips are cut, how references are chosen, how points are drawn, and that Mirage keeps latents.
    """
    generation, generator = _mapping(data, "generation"), _mapping(data, "generation", "generator")
    name = generator.get("name")
    preset = _preset_of(name, generator) if isinstance(name, str) else None
    if preset is None:
        return data
    clips = {} if "rounds" in generation else preset.clips
    references = preset.references | _mapping(data, "generation", "references")
    memory = _mapping(data, "memory")
    return data | {
        "generation": clips | generation | {"references": references},
        "projection": {"look": {"kind": "release"}} | _mapping(data, "projection"),
        "memory": {"latent": {"compat": preset.sampling["compat"]}} | memory if name == "mirage" else memory,
    }


def _preset_of(name: str, generator: dict[str, Any]) -> Preset | None:
    """None for names that are no preset's: they are refused elsewhere."""
    chosen = generator.get("preset", DEFAULT_PRESETS.get(name))
    return PRESETS.get((name, chosen)) if isinstance(chosen, str) else None


def _mapping(data: Any, *keys: str) -> dict[str, Any]:
    """The mapping at `keys`; an empty one where there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
