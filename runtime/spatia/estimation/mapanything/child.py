"""The program that holds MapAnything: a file on its own, run by an interpreter that need not know the runtime.

It uses the standard library, numpy, torch and mapanything, never `spatia`, and runs on Python 3.10. It is spoken to
over its standard streams in JSON messages, each behind its length; arrays pass through the nameless file on the
descriptor that it is given. The main thread works; one thread listens, and ends the process when the runtime goes away;
one gives signs of life while there is work.
"""

import importlib.metadata
import importlib.util
import json
import os
import platform
import queue
import struct
import sys
import threading
import traceback
from typing import Any, BinaryIO

import_problem: ImportError | None = None
try:
    import numpy as np
except ImportError as missing:  # `examine` runs without
    import_problem = missing

Message = dict[str, Any]

LENGTH = struct.Struct(">I")
MAX_MESSAGE_BYTES = 1 << 20
MAX_PROBLEM_CHARS = 2000
SIGN_EVERY_S = 1.0

NORMALIZATION = "dinov2"  # the input scaling of the released weights, over pixels in 0..1
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def examine() -> Message:
    """What this interpreter has, without importing it: versions by package, null for what is not installed."""
    versions: Message = {}
    for package in ("numpy", "torch", "mapanything"):
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:  # a mere folder of that name has no origin
            versions[package] = None
            continue
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "of unknown version"
    return {
        "python": platform.python_version(),
        "environment": sys.prefix != sys.base_prefix,
        "packages": versions,
    }


def write_message(stream: BinaryIO, message: Message) -> None:
    text = json.dumps(message).encode()
    stream.write(LENGTH.pack(len(text)) + text)
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """The next message, or None when the stream ends."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    if size > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {size} bytes")
    text = stream.read(size)
    return json.loads(text) if len(text) == size else None


class SharedArrays:
    """Arrays in the shared file, by name, where the message says that they lie."""

    def __init__(self, descriptor: int, places: Message) -> None:
        self._descriptor = descriptor
        self._places = places

    def read(self, name: str) -> Any:
        dtype, shape, offset = self._places[name]
        array = np.empty(shape, dtype=dtype)
        into, at = array.data.cast("B"), 0
        while at < len(into):
            count = os.preadv(self._descriptor, [into[at:]], offset + at)
            if count == 0:
                raise ValueError(f"the shared file ends inside {name!r}")
            at += count
        return array

    def write_row(self, name: str, row: int, values: Any) -> None:
        """Row `row` of an array; raises `ValueError` for values of another shape."""
        dtype, shape, offset = self._places[name]
        if list(values.shape) != shape[1:]:
            raise ValueError(f"{name!r} of a view has shape {list(values.shape)}; {shape[1:]} was wanted")
        data = np.ascontiguousarray(values, dtype=dtype).data.cast("B")
        start, at = offset + row * len(data), 0
        while at < len(data):
            at += os.pwrite(self._descriptor, data[at:], start + at)


class Mapper:
    """The network and how it is asked."""

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._device = device

    def infer(self, shared: SharedArrays, *, first_wanted: int) -> None:
        """Read the views, ask, and write depth, confidence and mask of those from `first_wanted` on, and all poses."""
        predictions = self._model.infer(
            self._views(shared),
            memory_efficient_inference=True,  # a little slower, many more views
            use_amp=self._device.startswith("cuda"),  # on a CPU it would fall back to float16
            amp_dtype="bf16",
            apply_mask=True,
            mask_edges=True,
            apply_confidence_mask=False,
        )
        for i, prediction in enumerate(predictions):
            shared.write_row("camera_poses", i, _array(prediction, "camera_poses")[0])
            if i >= first_wanted:
                row = i - first_wanted
                shared.write_row("depth_m", row, _array(prediction, "depth_z")[0, ..., 0])
                shared.write_row("confidence", row, _array(prediction, "conf")[0])
                shared.write_row("mask", row, _array(prediction, "mask")[0, ..., 0])

    def _views(self, shared: SharedArrays) -> list[Message]:
        import torch

        rgb = torch.from_numpy(shared.read("rgb"))
        intrinsics = torch.from_numpy(shared.read("intrinsics"))
        poses = torch.from_numpy(shared.read("world_from_camera"))
        mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
        return [
            {
                "img": ((rgb[i].float() / 255 - mean) / deviation).permute(2, 0, 1)[None],
                "data_norm_type": [NORMALIZATION],
                "intrinsics": intrinsics[i][None],
                "camera_poses": poses[i][None],
                "is_metric_scale": torch.tensor([True]),
            }
            for i in range(len(rgb))
        ]


def _array(prediction: Message, key: str) -> Any:
    """One entry of a prediction on the CPU; raises `ValueError` when it is not there."""
    if key not in prediction:
        raise ValueError(f"the answer has no {key!r}; it has {sorted(prediction)}")
    tensor = prediction[key].detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


class Program:
    """One conversation: what to load, then any number of sets of views."""

    def __init__(self, descriptor: int, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self._descriptor = descriptor
        self._stdin = stdin
        self._stdout = stdout
        self._one_writer = threading.Lock()
        self._work: queue.Queue[Message] = queue.Queue()
        self._busy = threading.Event()
        self._stage = "start"

    def run(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._give_signs, daemon=True).start()
        mapper: Mapper | None = None
        while True:
            message = self._work.get()
            self._busy.set()
            try:
                if mapper is None:
                    mapper = self._load(message)
                else:
                    self._stage = "infer"
                    shared = SharedArrays(self._descriptor, message["arrays"])
                    mapper.infer(shared, first_wanted=message["first_wanted"])
                answer: Message = {"kind": "done"}
            except Exception as problem:  # noqa: BLE001 - the runtime says what came of it
                traceback.print_exc()
                said = f"{type(problem).__name__}: {problem}"[:MAX_PROBLEM_CHARS]
                answer = {"kind": "failed", "stage": self._stage, "problem": said}
            self._busy.clear()
            self._tell(answer)

    def _load(self, message: Message) -> Mapper:
        self._enter("import")
        if import_problem is not None:
            raise import_problem
        import torch
        from mapanything.models import MapAnything  # type: ignore[import-not-found]  # the other interpreter has it

        self._enter("load")
        device = message["device"]
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        model = MapAnything.from_pretrained(message["weights"]).to(device)
        model.eval()
        return Mapper(model, device)

    def _enter(self, stage: str) -> None:
        self._stage = stage
        self._tell({"kind": "stage", "stage": stage})

    def _tell(self, message: Message) -> None:
        with self._one_writer:
            write_message(self._stdout, message)

    def _listen(self) -> None:
        try:
            while (message := read_message(self._stdin)) is not None:
                self._work.put(message)
        except BaseException:  # noqa: BLE001 - without a listener this process would never end
            traceback.print_exc()
        os._exit(0)  # nobody is left to work for, even if the network is in the middle of something

    def _give_signs(self) -> None:
        pause = threading.Event()
        while True:
            self._busy.wait()
            self._tell({"kind": "sign"})
            pause.wait(SIGN_EVERY_S)


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != here]  # our siblings are not for import
    if sys.argv[1] == "examine":
        print(json.dumps(examine()))  # noqa: T201 - its answer
        return
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")  # as MapAnything's authors advise
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what packages print must not look like a message
    Program(int(sys.argv[1]), stdin, stdout).run()


if __name__ == "__main__":
    main()
