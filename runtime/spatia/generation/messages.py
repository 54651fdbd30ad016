"""Messages between a worker and its child process: a JSON header with its length, then the arrays' bytes.

Both ends are ours, yet every size is bounded before memory is taken: a stray write must not cost more than an error.
"""

import json
import math
import struct
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from spatia.errors import GenerationError
from spatia.generation.job import Event, Sign
from spatia.geom.camera import Cameras, Intrinsics
from spatia.records.frames import Frames
from spatia.records.generation import Clip, ClipLatents, ClipRequest, Failure, Progress
from spatia.records.latents import LatentReadout
from spatia.records.projection import Projection

MAX_HEADER_BYTES = 1 << 20
MAX_ARRAY_BYTES = 1 << 34
_LENGTH = struct.Struct("<4sI")
_MAGIC = b"spgw"
_ITEM_BYTES = {"bool": 1, "uint8": 1, "int32": 4, "float32": 4, "float64": 8}
_READOUT = ("latents", "visible", "depth_m", "index")

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Message:
    kind: str
    fields: dict[str, Any] = field(default_factory=dict)  # what JSON can say
    arrays: Arrays = field(default_factory=dict)


def write_message(stream: IO[bytes], message: Message) -> None:
    """Raises `OSError` when the other end is gone, `ValueError` for a header that is too long."""
    shapes = [(name, array.dtype.name, array.shape) for name, array in message.arrays.items()]
    header = json.dumps({"kind": message.kind, "fields": message.fields, "arrays": shapes}).encode()
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(f"a message's header takes at most {MAX_HEADER_BYTES} bytes; got {len(header)}")
    stream.write(_LENGTH.pack(_MAGIC, len(header)) + header)
    for array in message.arrays.values():
        stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    stream.flush()


def read_message(stream: IO[bytes]) -> Message | None:
    """The next message, or None when the stream ends, be it inside a message. `GenerationError` for anything else."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    magic, header_bytes = _LENGTH.unpack(head)
    if magic != _MAGIC or header_bytes > MAX_HEADER_BYTES:
        raise _broken(f"it starts with {head!r}")
    text = stream.read(header_bytes)
    if len(text) < header_bytes:
        return None
    header = json.loads(text)
    arrays: Arrays = {}
    for name, dtype, shape in header["arrays"]:
        array_bytes = math.prod(shape) * _ITEM_BYTES.get(dtype, MAX_ARRAY_BYTES + 1)
        if min(shape) < 0 or array_bytes > MAX_ARRAY_BYTES:
            raise _broken(f"it announces {dtype} {shape} for {name!r}")
        data = stream.read(array_bytes)
        if len(data) < array_bytes:
            return None
        arrays[name] = np.frombuffer(data, dtype=dtype).reshape(shape)
    return Message(kind=header["kind"], fields=header["fields"], arrays=arrays)


def message_of_request(request: ClipRequest) -> Message:
    arrays: Arrays = {"time_s": request.time_s}
    for name in ("rgb", "depth_m", "index", "alpha"):
        if (array := getattr(request.projection, name)) is not None:
            arrays[f"projection.{name}"] = array
    arrays["poses"] = request.cameras.world_from_camera
    for name in ("preceding", "references"):
        frames: Frames = getattr(request, name)
        arrays[f"{name}.poses"] = frames.cameras.world_from_camera
        arrays[f"{name}.rgb"] = frames.rgb
        arrays[f"{name}.time_s"] = frames.time_s
        if frames.depth_m is not None:
            arrays[f"{name}.depth_m"] = frames.depth_m
    if request.latents is not None:
        arrays |= {f"latents.{name}": getattr(request.latents, name) for name in _READOUT}
    if request.preceding_latents is not None:
        arrays["preceding_latents"] = request.preceding_latents.latents
    fields = {
        "request_id": request.request_id,
        "epoch": request.epoch,
        "base_version": request.base_version,
        "seed": request.seed,
        "prompt": request.prompt,
        "deadline_s": request.deadline_s,
        "lens": asdict(request.cameras.intrinsics),
        "preceding.lens": asdict(request.preceding.cameras.intrinsics),
        "references.lens": asdict(request.references.cameras.intrinsics),
        "latents_fingerprint": request.latents_fingerprint,
        "preceding_latents.by": request.preceding_latents.fingerprint if request.preceding_latents else "",
    }
    return Message(kind="request", fields=fields, arrays=arrays)


def request_of_message(message: Message) -> ClipRequest:
    fields, arrays = message.fields, message.arrays
    return ClipRequest(
        request_id=fields["request_id"],
        epoch=fields["epoch"],
        base_version=fields["base_version"],
        seed=fields["seed"],
        cameras=Cameras(world_from_camera=arrays["poses"], intrinsics=Intrinsics(**fields["lens"])),
        time_s=arrays["time_s"],
        projection=Projection(
            **{name: arrays[f"projection.{name}"] for name in ("rgb", "depth_m", "index")},
            alpha=arrays.get("projection.alpha"),
        ),
        preceding=_frames_of(message, "preceding"),
        references=_frames_of(message, "references"),
        prompt=fields["prompt"],
        latents=LatentReadout(**{name: arrays[f"latents.{name}"] for name in _READOUT})
        if "latents.latents" in arrays
        else None,
        latents_fingerprint=fields["latents_fingerprint"],
        preceding_latents=_clip_latents(arrays, "preceding_latents", fields["preceding_latents.by"]),
        deadline_s=fields["deadline_s"],
    )


def message_of_event(event: Event) -> Message:
    if isinstance(event, Sign):
        return Message(kind="sign", fields={"sign": event.value})
    if isinstance(event, Clip):
        fields = {"request_id": event.request_id, "notes": event.notes}
        arrays: Arrays = {"rgb": event.rgb}
        if event.latents is not None:
            fields["latents.by"], arrays["latents"] = event.latents.fingerprint, event.latents.latents
        return Message(kind="clip", fields=fields, arrays=arrays)
    return Message(kind="progress" if isinstance(event, Progress) else "failure", fields=asdict(event))


def event_of_message(message: Message) -> Event:
    """Raises `KeyError`, `TypeError` or `ValueError` for a message that is no event."""
    if message.kind == "sign":
        return Sign(message.fields["sign"])
    if message.kind == "clip":
        return Clip(
            request_id=message.fields["request_id"],
            rgb=message.arrays["rgb"],
            latents=_clip_latents(message.arrays, "latents", message.fields.get("latents.by", "")),
            notes=tuple(map(str, message.fields["notes"])),
        )
    if message.kind == "progress":
        return Progress(**message.fields)
    return Failure(**message.fields)


def _clip_latents(arrays: Arrays, name: str, fingerprint: str) -> ClipLatents | None:
    return ClipLatents(latents=arrays[name], fingerprint=fingerprint) if name in arrays else None


def _frames_of(message: Message, name: str) -> Frames:
    lens = Intrinsics(**message.fields[f"{name}.lens"])
    return Frames(
        rgb=message.arrays[f"{name}.rgb"],
        cameras=Cameras(world_from_camera=message.arrays[f"{name}.poses"], intrinsics=lens),
        time_s=message.arrays[f"{name}.time_s"],
        depth_m=message.arrays.get(f"{name}.depth_m"),
    )


def _broken(what: str) -> GenerationError:
    return GenerationError(
        f"a message between the runtime and the generator's process is broken: {what}",
        fix="let nothing but the runtime write to the process's streams",
    )
